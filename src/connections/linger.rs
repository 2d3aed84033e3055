//! Closing a connection so that the client receives the last response. A socket that is closed while it has unread bytes resets
//! the connection, and a client that is still sending then loses the response: RFC 9112, section 9.6.

use std::{mem::MaybeUninit, pin::Pin, task::Poll, time::Duration};

use hyper::rt::{Read, ReadBuf, Write};
use tokio::time::timeout;

/// Time for the client to receive the response and to close the connection.
const TIME: Duration = Duration::from_secs(2);

/// Maximum number of bytes that are discarded.
const BYTES: usize = 16 * 1024 * 1024;

/// Bytes that are discarded at once. They are on the stack: a connection that lingers keeps no memory for them.
const BUFFER: usize = 8 * 1024;

/// Ends the writing side, and discards what the client still sends until it closes the connection: for at most two seconds and
/// 16 MiB.
pub async fn linger<I: Read + Write + Unpin>(mut io: I) {
    let closed = async {
        let shut_down = std::future::poll_fn(|cx| Pin::new(&mut io).poll_shutdown(cx)).await;
        let mut discarded = 0;
        // An error means that the client has gone away.
        while shut_down.is_ok() && discarded < BYTES {
            match discard(&mut io).await {
                Some(bytes) => discarded += bytes,
                None => break,
            }
        }
    };
    let _ = timeout(TIME, closed).await;
}

/// Reads once; `None`: the client has closed the connection.
async fn discard<I: Read + Unpin>(io: &mut I) -> Option<usize> {
    std::future::poll_fn(|cx| {
        let mut bytes = [MaybeUninit::uninit(); BUFFER];
        let mut buffer = ReadBuf::uninit(&mut bytes);
        let read = Pin::new(&mut *io).poll_read(cx, buffer.unfilled());
        match read {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(())) => Poll::Ready(Some(buffer.filled().len()).filter(|bytes| *bytes > 0)),
            Poll::Ready(Err(_)) => Poll::Ready(None),
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use hyper_util::rt::TokioIo;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _, duplex},
        time::Instant,
    };

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_ends_when_the_client_closes() {
        let (server, mut client) = duplex(1024);
        let begun = Instant::now();

        let lingering = tokio::spawn(linger(TokioIo::new(server)));
        client.write_all(&[0; 100_000]).await.unwrap();
        assert_eq!(client.read(&mut [0; 1]).await.unwrap(), 0, "the writing side has ended");
        drop(client);
        lingering.await.unwrap();

        assert_eq!(begun.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_after_two_seconds() {
        let (server, _client) = duplex(1024);
        let begun = Instant::now();

        linger(TokioIo::new(server)).await;

        assert_eq!(begun.elapsed(), TIME);
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_after_16_mib() {
        let (server, mut client) = duplex(64 * 1024);
        let lingering = tokio::spawn(linger(TokioIo::new(server)));

        let written = client.write_all(&vec![0; 2 * BYTES]).await;

        assert!(written.is_err());
        lingering.await.unwrap();
    }
}
