//! The binary. Exit codes: 0 done; 1 it ran and found something wrong; 2 it was called wrongly; 78 the configuration is
//! not right (sysexits' EX_CONFIG).

fn main() -> std::process::ExitCode {
    questline::cli::main()
}
