//! Giving memory back that was needed for a while.

use std::hint::black_box;
use std::thread;
use std::time::Duration;

/// How long the allocator keeps free pages, and a little more.
const KEPT: Duration = Duration::from_millis(1200);

/// Has the allocator give back what is free by now, soon: reading a large configuration takes many times the memory that
/// its meaning needs. The allocator looks for pages that have been free long enough only while it works, or as a thread
/// ends that has used it; in a process that has come to rest neither happens by itself.
pub fn give_back() {
    // Without such a thread the memory is used again later, no more.
    let _ = thread::Builder::new().name("memory".to_owned()).spawn(|| {
        thread::sleep(KEPT);
        drop(black_box(Box::new([0_u8; 64])));
    });
}
