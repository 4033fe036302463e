//! Who holds a lease: a name for people, and enough to tell whether a holder on this machine is still alive.

use std::hash::{BuildHasher, Hasher, RandomState};

/// A holder of leases: `<host>/<pid>/<unique> <boot>/<pid namespace>/<start time>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owner(pub(super) String);

impl Owner {
    /// A new one, for a store of this process.
    pub(super) fn new() -> Self {
        let host = read("/proc/sys/kernel/hostname");
        let pid = std::process::id();
        // Two stores of one process are two holders. Not a secret: it only has to differ.
        let unique = RandomState::new().build_hasher().finish() as u32;
        Self(format!("{host}/{pid}/{unique:08x} {}/{}/{}", boot(), pid_namespace(), start_of(pid).unwrap_or_else(unknown)))
    }

    /// The holder named in a lease.
    pub(super) fn of_lease(lease: &str) -> Option<Self> {
        lease.split_once(' ').map(|(_, owner)| Self(owner.to_owned()))
    }

    /// Host and process, for people.
    pub(super) fn shown(&self) -> String {
        let mut parts = self.0.split(['/', ' ']);
        match (parts.next(), parts.next()) {
            (Some(host), Some(pid)) => format!("process {pid} on {host}"),
            _ => "another process".to_owned(),
        }
    }

    /// Whether the process is gone for certain: it ran on this boot of this machine, where its id can be looked up, and
    /// no such process is there. One elsewhere may be alive.
    pub(super) fn is_dead(&self) -> bool {
        let Some((name, proof)) = self.0.split_once(' ') else { return false };
        let pid = name.split('/').nth(1).and_then(|pid| pid.parse::<u32>().ok());
        let mut proof = proof.split('/');
        match (pid, proof.next(), proof.next(), proof.next()) {
            (Some(pid), Some(its_boot), Some(its_namespace), Some(its_start)) => {
                its_boot != "?"
                    && its_namespace != "?"
                    && its_start != "?"
                    && its_boot == boot()
                    && its_namespace == pid_namespace()
                    && start_of(pid).is_none_or(|start| start != its_start)
            }
            _ => false,
        }
    }
}

fn unknown() -> String {
    "?".to_owned()
}

fn read(path: &str) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let word: String = text.trim().chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_')).take(64).collect();
    if word.is_empty() { unknown() } else { word }
}

fn boot() -> String {
    read("/proc/sys/kernel/random/boot_id")
}

/// The same process id means another process in another container.
fn pid_namespace() -> String {
    let link = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    let digits: String = link.to_string_lossy().chars().filter(char::is_ascii_digit).collect();
    if digits.is_empty() { unknown() } else { digits }
}

/// When a process started, in ticks since boot (proc(5), field 22): process ids are used again.
fn start_of(pid: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in parentheses, and may hold anything.
    stat.rsplit_once(')')?.1.split_whitespace().nth(19).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_holder_is_alive_until_its_process_is_gone() {
        let mine = Owner::new();
        assert_ne!(mine, Owner::new());
        assert!(!mine.is_dead());
        assert_eq!(Owner::of_lease(&format!("17 {}", mine.0)), Some(mine.clone()));
        assert!(mine.shown().contains(&std::process::id().to_string()));

        let mut child = std::process::Command::new("true").spawn().unwrap();
        let (name, proof) = mine.0.split_once(' ').unwrap();
        let name = name.replace(&format!("/{}/", std::process::id()), &format!("/{}/", child.id()));
        child.wait().unwrap();
        let other = Owner(format!("{name} {proof}"));
        assert!(other.is_dead());
        let elsewhere = Owner(format!("{name} other-boot/{}", proof.split_once('/').unwrap().1));
        assert!(!elsewhere.is_dead(), "nobody here can know");
    }
}
