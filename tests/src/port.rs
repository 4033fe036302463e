//! Places for hosts to listen at: each is given once, so that no test meets another one's host.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

/// Below what Linux gives to connections on their way out, which come and go.
const FIRST: u32 = 10_000;
const COUNT: u32 = 22_000;

/// A port of this machine at which nothing listens, and which nobody else of this process is given.
pub fn free() -> SocketAddr {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    // Processes beside each other begin at places of their own.
    let from = std::process::id().wrapping_mul(997) % COUNT;
    loop {
        let given = GIVEN.fetch_add(1, Ordering::Relaxed);
        assert!(given < COUNT, "no port is free from {FIRST} on");
        let port = FIRST + (from + given) % COUNT;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, u16::try_from(port).expect("a port")));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}
