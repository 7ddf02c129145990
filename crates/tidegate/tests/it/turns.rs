//! That nobody has more than its turn, and everybody a time of its own.

use crate::support::{Pair, Tidegate, simple};
use std::time::{Duration, Instant};
use testkit::frames::Connection;
use testkit::frames::frame::Frame;
use testkit::frames::hpack::Block;
use testkit::origin::Origin;

#[test]
fn nobody_waits_for_two_sides_that_are_both_fast() {
    let pair = Pair::with("", "workers: 1");
    let mut large = pair.client();
    large.send("GET /chunked/5000/30000 HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let reading = std::thread::spawn(move || {
        large.read_raw(140_000_000);
        Instant::now()
    });
    std::thread::sleep(Duration::from_millis(20));
    assert_eq!(pair.client().get("a", "/").unwrap().status, 200);
    let answered = Instant::now();
    assert!(reading.join().unwrap() > answered, "the small answer came behind the large one");
}

#[test]
fn each_head_has_its_own_time() {
    let origin = Origin::start("one").unwrap();
    let yaml = simple(&[origin.address], "", "timeouts: { head: 300ms }");
    let tidegate = Tidegate::start(&yaml.replace("\" }]", "\", protocols: [h2] }]"));
    let mut connection = Connection::open(tidegate.address()).unwrap();
    const REQUESTS: usize = 12;
    let mut rest = Vec::new();
    for _ in 0..REQUESTS {
        let stream = connection.new_stream();
        let mut bytes = Vec::new();
        Frame::headers(stream, Block::get("a", "/").0, true).write(&mut bytes);
        // The end of one head comes with the beginning of the next.
        let (begin, end) = bytes.split_at(12);
        connection.bytes(&rest);
        connection.bytes(begin);
        connection.flush().unwrap();
        rest = end.to_vec();
        std::thread::sleep(Duration::from_millis(100));
    }
    connection.bytes(&rest);
    connection.flush().unwrap();
    let answered = |returned: &testkit::frames::Returned| returned.heads_ok == REQUESTS as u64;
    assert!(connection.wait(Duration::from_secs(5), answered), "{:?}", connection.returned());
}
