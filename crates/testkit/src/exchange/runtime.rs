//! The thread on which all connections of a test's clients live.

use super::LIMIT;
use std::sync::OnceLock;
use tokio::runtime::Handle;

/// The runtime of that thread, which is never dropped.
pub(super) fn handle() -> &'static Handle {
    static RUNTIME: OnceLock<Handle> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        #[expect(clippy::expect_used, reason = "a test without threads cannot go on")]
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let handle = runtime.handle().clone();
        std::thread::spawn(move || runtime.block_on(std::future::pending::<()>()));
        handle
    })
}

/// Waits for the future, for [`LIMIT`] at the longest: `None` then.
pub(super) fn block_on<F: Future>(future: F) -> Option<F::Output> {
    handle().block_on(async { tokio::time::timeout(LIMIT, future).await.ok() })
}
