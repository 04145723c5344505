//! How often a thread allocates, for tests that state that it does not.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

/// The system's allocator, which counts for each thread what it is asked for.
/// A test program makes it its own: `#[global_allocator]`.
#[derive(Debug)]
pub struct Counting;

impl Counting {
    /// What this thread has asked for so far.
    pub fn so_far() -> u64 {
        COUNT.get()
    }

    fn count() {
        COUNT.set(COUNT.get() + 1);
    }
}

// SAFETY: every call is handed on to the system's allocator as it is.
#[expect(unsafe_code, reason = "an allocator is unsafe by its nature")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::count();
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(
        &self,
        memory: *mut u8,
        layout: Layout,
        size: usize,
    ) -> *mut u8 {
        Self::count();
        // SAFETY: as the caller promises.
        unsafe { System.realloc(memory, layout, size) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(memory, layout) }
    }
}
