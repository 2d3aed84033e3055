//! Ports of 127.0.0.1 for servers that are told where to listen, and for addresses at which nobody listens.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    ops::Range,
    sync::{Mutex, PoisonError},
};

/// Below those that the kernel gives to whoever asks for any, a client's connection included. One of these, given back
/// until its server takes it, would sometimes be another test's by then.
const FIRST: u16 = 12_000;
const BLOCKS: u16 = 40;
/// The ports that one claim reserves.
const BLOCK: u16 = 500;

/// Ports that no other test run on this machine gets.
struct Block {
    /// Listens at the first port of the block for as long as the test run lasts: so other runs see that it is taken.
    _guard: TcpListener,
    left: Range<u16>,
}

impl Block {
    fn claim() -> Self {
        // Runs that start at the same time begin with different blocks.
        let start = (std::process::id() % u32::from(BLOCKS)) as u16;
        for offset in 0..BLOCKS {
            let first = FIRST + (start + offset) % BLOCKS * BLOCK;
            if let Ok(guard) = TcpListener::bind((Ipv4Addr::LOCALHOST, first)) {
                return Self { _guard: guard, left: first + 1..first + BLOCK };
            }
        }
        panic!("no block of ports is free from {FIRST} on");
    }
}

/// A port that is free now, and that nobody else gets while this test run lasts.
pub fn free_port() -> u16 {
    static CLAIMED: Mutex<Vec<Block>> = Mutex::new(Vec::new());
    let mut claimed = CLAIMED.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let left = claimed.last_mut().and_then(|block| block.left.next());
        match left {
            // Something else on this machine may listen there.
            Some(port) if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() => return port,
            Some(_) => {}
            None => claimed.push(Block::claim()),
        }
    }
}

/// The same as an address.
pub fn free_address() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, free_port()).into()
}
