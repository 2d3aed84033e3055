//! Bodies: of requests and of answers, whole or as they come, each with a bound and a patience.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use hyper::body::{Body as HttpBody, Bytes, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep};

use super::connection::Turn;

/// Why a body cannot be read to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    #[error("more bytes than are taken")]
    TooLarge,
    #[error("nothing came for too long")]
    TooSlow,
    #[error("too many bytes of other requests are held")]
    NoRoom,
    #[error(transparent)]
    Broken(#[from] hyper::Error),
}

/// A body on its way out.
pub(super) struct Body {
    kind: Kind,
    /// Ends the request's turn when the answer has gone out.
    turn: Option<Turn>,
}

enum Kind {
    Whole(Bytes),
    Passing(Box<Passing>),
}

/// A body that is passed on as it comes.
struct Passing {
    from: Incoming,
    /// So many bytes may still come.
    left: u64,
    /// How long the next part may take.
    patience: Duration,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Body {
    pub(super) fn of(bytes: impl Into<Bytes>) -> Self {
        Self { kind: Kind::Whole(bytes.into()), turn: None }
    }

    /// What comes is passed on, up to so many bytes.
    pub(super) fn passing(from: Incoming, most: u64, patience: Duration) -> Self {
        let passing = Passing { from, left: most, patience, timer: None };
        Self { kind: Kind::Passing(Box::new(passing)), turn: None }
    }

    /// The `id` in an answer, and the body as it was. Answers of unknown length, or of more bytes, are not read.
    pub(super) async fn with_id(self, most: u64) -> (Option<String>, Self) {
        #[derive(serde::Deserialize)]
        struct Answer {
            id: String,
        }
        let Kind::Passing(passing) = self.kind else { return (None, self) };
        if passing.size_hint_exact().is_none_or(|size| size > most) {
            return (None, Self { kind: Kind::Passing(passing), turn: self.turn });
        }
        let mut passing = passing;
        let mut whole = Vec::new();
        while let Some(frame) = std::future::poll_fn(|cx| passing.poll(cx)).await {
            match frame.map(Frame::into_data) {
                Ok(Ok(data)) => whole.extend_from_slice(&data),
                // Trailers end a body.
                Ok(Err(_)) => break,
                // The caller sees the answer break off, as it would have.
                Err(_) => return (None, Self { kind: Kind::Passing(passing), turn: self.turn }),
            }
        }
        let id = serde_json::from_slice::<Answer>(&whole).ok().map(|answer| answer.id);
        (id, Self { kind: Kind::Whole(whole.into()), turn: self.turn })
    }

    /// Holds the request's turn until this body has gone out.
    pub(super) fn until_done(mut self, turn: Turn) -> Self {
        self.turn = Some(turn);
        self
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.kind {
            Kind::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Kind::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Kind::Passing(passing) => passing.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Whole(bytes) => bytes.is_empty(),
            Kind::Passing(passing) => passing.from.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Passing(passing) => passing.from.size_hint(),
        }
    }
}

impl Passing {
    fn size_hint_exact(&self) -> Option<u64> {
        self.from.size_hint().exact()
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Poll::Ready(next) = Pin::new(&mut self.from).poll_frame(cx) else {
            let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(self.patience)));
            return timer.as_mut().poll(cx).map(|()| Some(Err(BodyError::TooSlow)));
        };
        self.timer = None;
        Poll::Ready(next.map(|frame| {
            let frame = frame?;
            if let Some(data) = frame.data_ref() {
                self.left = self.left.checked_sub(data.len() as u64).ok_or(BodyError::TooLarge)?;
            }
            Ok(frame)
        }))
    }
}

/// Bytes that are held for all requests together.
#[derive(Clone, Default)]
pub(super) struct Held(Arc<AtomicUsize>);

/// The part of them that one request holds.
pub(super) struct Part {
    all: Held,
    bytes: usize,
}

impl Held {
    fn part(&self) -> Part {
        Part { all: self.clone(), bytes: 0 }
    }
}

impl Part {
    /// Takes in more, unless all together would hold more than `most`.
    fn add(&mut self, bytes: usize, most: usize) -> bool {
        self.bytes += bytes;
        self.all.0.fetch_add(bytes, Ordering::Relaxed) + bytes <= most
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.all.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Reads a body whole, and the room it takes.
pub(super) async fn whole(
    mut from: Incoming,
    most: usize,
    patience: Duration,
    held: &Held,
    most_held: usize,
) -> Result<(Bytes, Part), BodyError> {
    let mut part = held.part();
    let mut first = Bytes::new();
    let mut more: Vec<u8> = Vec::new();
    let expected = usize::try_from(from.size_hint().lower()).unwrap_or(usize::MAX);
    if expected > most {
        return Err(BodyError::TooLarge);
    }
    // Made only when something has to be waited for.
    let mut timer: Option<Pin<Box<Sleep>>> = None;
    let begun = Instant::now();
    loop {
        let frame = std::future::poll_fn(|cx| match Pin::new(&mut from).poll_frame(cx) {
            Poll::Ready(frame) => Poll::Ready(Ok(frame)),
            Poll::Pending => {
                let timer = timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(begun + patience)));
                timer.as_mut().poll(cx).map(|()| Err(BodyError::TooSlow))
            }
        })
        .await?;
        let Some(frame) = frame else { break };
        // Trailers say nothing that a message's creation has a use for.
        let Ok(data) = frame?.into_data() else { continue };
        if first.len() + more.len() + data.len() > most {
            return Err(BodyError::TooLarge);
        }
        if !part.add(data.len(), most_held) {
            return Err(BodyError::NoRoom);
        }
        if first.is_empty() {
            first = data;
        } else {
            if more.is_empty() {
                more.reserve(expected.saturating_sub(first.len()).max(data.len()));
            }
            more.extend_from_slice(&data);
        }
    }
    if more.is_empty() {
        return Ok((first, part));
    }
    let mut all = Vec::with_capacity(first.len() + more.len());
    all.extend_from_slice(&first);
    all.append(&mut more);
    Ok((all.into(), part))
}
