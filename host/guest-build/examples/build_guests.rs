//! Builds guests of this workspace from the command line: `cargo run -p questline-guest-build --example build_guests -- vip-routing`.
use std::path::Path;
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let packages: Vec<String> = std::env::args().skip(1).collect();
    let packages: Vec<&str> = packages.iter().map(String::as_str).collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let started = Instant::now();
    let built =
        questline_guest_build::build_guests(questline_guest_build::Purpose::Ship, &root, &packages, &root.join("target"), &mut |step| {
            println!("{:>7.2} s  {step}", started.elapsed().as_secs_f64());
        });
    match built {
        Ok(guests) => {
            for guest in guests {
                println!("{} ({} bytes)", guest.path.display(), guest.component.len());
            }
            Ok(())
        }
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(1)
        }
    }
}
