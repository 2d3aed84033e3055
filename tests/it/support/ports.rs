//! Ports of 127.0.0.1 for servers that are told where to listen, and for addresses at which nobody listens.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    ops::Range,
    sync::{Mutex, PoisonError},
};

use tokio::net::TcpSocket;

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
            Some(port) if is_free(port) => return port,
            Some(_) => {}
            None => claimed.push(Block::claim()),
        }
    }
}

/// Whether nobody listens at a port. This does not listen either: a process that another test starts at this moment has the
/// socket, too, until its program begins, and the server for which the port is would find it in use.
fn is_free(port: u16) -> bool {
    let bound = TcpSocket::new_v4().and_then(|socket| {
        socket.set_reuseaddr(true)?;
        socket.bind((Ipv4Addr::LOCALHOST, port).into())
    });
    bound.is_ok()
}

/// The same as an address.
pub fn free_address() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, free_port()).into()
}

#[test]
fn a_port_at_which_somebody_listens_is_not_free() {
    let port = free_port();
    let is_free_before = is_free(port);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();

    assert!(is_free_before && !is_free(port));
    drop(listener);
}

#[test]
fn a_port_that_is_being_tried_can_be_listened_at() {
    let port = free_port();
    let tried = TcpSocket::new_v4().unwrap();
    tried.set_reuseaddr(true).unwrap();
    tried.bind((Ipv4Addr::LOCALHOST, port).into()).unwrap();

    // As while another process still has the socket.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port));

    assert!(listener.is_ok(), "{listener:?}");
}
