//! Which connection is closed to make room.
#![allow(clippy::unwrap_used)]
use proptest::prelude::*;

use super::{connection::Request, table::Table, *};

const SECOND: Duration = Duration::from_secs(1);

async fn second() {
    tokio::time::advance(SECOND).await;
}

fn caller(last: u8) -> Caller {
    Caller::at([127, 0, 0, last].into())
}

fn table(total: usize) -> Table {
    Table::new(Limits::new(total, Duration::from_secs(60)))
}

fn is_closed(connection: &Connection) -> bool {
    connection.is_closed()
}

#[tokio::test(start_paused = true)]
async fn the_longest_idle_connection_makes_room() {
    let table = table(3);
    let [first, second_one, third] =
        [1, 2, 3].map(|from| Arc::new(Connection::open(&table, caller(from)).unwrap()));
    // The first one was used last.
    drop(first.begin_request());
    second().await;

    let fourth = Connection::open(&table, caller(4)).unwrap();

    assert_eq!([&*first, &second_one, &third, &fourth].map(is_closed), [false, true, false, false]);
}

#[tokio::test(start_paused = true)]
async fn a_request_in_progress_is_never_closed() {
    let table = table(2);
    let [first, other] = [1, 2].map(|from| Arc::new(Connection::open(&table, caller(from)).unwrap()));
    let requests = [first.begin_request(), other.begin_request()];

    assert!(Connection::open(&table, caller(3)).is_none());

    drop(requests);
    second().await;
    assert!(Connection::open(&table, caller(3)).is_some());
    assert!(first.is_closed() && !other.is_closed());
}

#[tokio::test(start_paused = true)]
async fn one_caller_closes_its_own_connections() {
    let table = table(8);
    let other = Connection::open(&table, caller(1)).unwrap();
    let mut flood = Vec::new();
    for _ in 0..100 {
        flood.push(Connection::open(&table, caller(2)).unwrap());
        second().await;
    }

    assert!(!other.is_closed());
    assert_eq!(flood.iter().filter(|connection| !connection.is_closed()).count(), 6);
    assert!(!flood[99].is_closed() && flood[0].is_closed());
}

#[tokio::test(start_paused = true)]
async fn headers_have_a_second_to_arrive() {
    let table = table(1);
    let first = Connection::open(&table, caller(1)).unwrap();
    second().await;
    first.begin_head();

    assert!(Connection::open(&table, caller(1)).is_none());

    tokio::time::advance(SECOND).await;
    assert!(Connection::open(&table, caller(1)).is_some() && first.is_closed());
}

proptest! {
    /// In any history, the bounds hold, and what is closed is what has been idle longest.
    #[test]
    fn bounds_hold_in_any_history(steps in proptest::collection::vec((0..4_u8, 0..3_u8, 0..20_usize), 0..200)) {
        const TOTAL: usize = 8;
        let table = table(TOTAL);
        let mut open: Vec<(Arc<Connection>, u8, Option<Request>)> = Vec::new();
        for (step, from, which) in steps {
            match (step, open.len()) {
                (0 | 1, _) => {
                    let before: Vec<_> = open.iter().filter(|(it, ..)| !it.is_closed()).map(|(it, ..)| it.clone()).collect();
                    let is_full = before.len() == TOTAL
                        || open.iter().filter(|(it, of, _)| *of == from && !it.is_closed()).count() == 6;
                    let new = Connection::open(&table, caller(from));
                    prop_assert!(is_full || new.is_some());
                    open.extend(new.map(|new| (Arc::new(new), from, None)));
                    for (connection, _, request) in &open {
                        let was_closed = before.iter().any(|it| Arc::ptr_eq(it, connection)) && connection.is_closed();
                        prop_assert!(!was_closed || request.is_none(), "a request in progress was closed");
                    }
                }
                (_, 0) => {}
                (2, count) => {
                    let (connection, _, request) = &mut open[which % count];
                    *request = if request.is_none() { Some(connection.begin_request()) } else { None };
                }
                (_, count) => drop(open.swap_remove(which % count)),
            }
            let alive = open.iter().filter(|(connection, ..)| !connection.is_closed());
            prop_assert!(alive.clone().count() <= TOTAL);
            for from in 0..3 {
                prop_assert!(alive.clone().filter(|(_, of, _)| *of == from).count() <= 6);
            }
            let [open, idle, of_callers] = table.counts();
                prop_assert_eq!((open, idle), (alive.count(), of_callers));
        }
        open.clear();
        prop_assert_eq!(table.counts(), [0, 0, 0]);
    }
}
