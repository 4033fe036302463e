//! The guest's allocator: hands out memory from bottom to top and takes only the last block back.
//!
//! A guest lives for one event, then the host throws its memory away, so nothing need be freed. The builder gives it
//! enough memory at the start that a usual step never asks for more: growing costs the host more than the step itself.
#![allow(unsafe_code)]

use core::alloc::{GlobalAlloc, Layout};
use core::cell::Cell;
use core::ptr;

/// What is asked for at least when the memory is used up, so that a large step grows a few times only.
const GROW_BYTES_MIN: usize = 256 * 1024;

/// Where the memory comes from.
pub(crate) trait Memory {
    /// First usable address, and the address behind the last one.
    fn range(&self) -> (usize, usize);

    /// Adds at least `bytes` right behind the end; the new end, or none where there is no more.
    fn grow(&self, bytes: usize) -> Option<usize>;
}

/// The allocator over a memory. For one thread.
pub(crate) struct Bump<M> {
    memory: M,
    /// The next free address; 0 before the first allocation.
    next: Cell<usize>,
    /// The address behind the last usable one.
    end: Cell<usize>,
}

impl<M: Memory> Bump<M> {
    pub(crate) const fn new(memory: M) -> Self {
        Self { memory, next: Cell::new(0), end: Cell::new(0) }
    }

    /// Makes `[start, start + size)` part of the memory handed out, growing it where needed.
    fn take(&self, start: usize, size: usize) -> bool {
        let Some(until) = start.checked_add(size) else {
            return false;
        };
        let end = self.end.get();
        if until > end {
            let missing = until - end;
            let grown = self.memory.grow(missing.max(GROW_BYTES_MIN)).or_else(|| self.memory.grow(missing));
            let Some(end) = grown else { return false };
            self.end.set(end);
        }
        self.next.set(until);
        true
    }
}

// SAFETY: every block handed out lies in `[start, end)` of the memory, is aligned, and is disjoint from every other live
// block: blocks are cut off above `next`, which only falls in `dealloc` and `realloc` of the topmost block, to where that
// block ends from then on. Sizes that overflow, and memory that does not grow, answer null. Nothing here unwinds.
unsafe impl<M: Memory> GlobalAlloc for Bump<M> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if self.next.get() == 0 {
            let (start, end) = self.memory.range();
            self.next.set(start);
            self.end.set(end);
        }
        let Some(start) = self.next.get().checked_next_multiple_of(layout.align()) else {
            return ptr::null_mut();
        };
        if self.take(start, layout.size()) { ptr::with_exposed_provenance_mut(start) } else { ptr::null_mut() }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let start = block.expose_provenance();
        if start + layout.size() == self.next.get() {
            self.next.set(start);
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let start = block.expose_provenance();
        if start + layout.size() == self.next.get() {
            return if self.take(start, new_size) { block } else { ptr::null_mut() };
        }
        if new_size <= layout.size() {
            return block;
        }
        // SAFETY: the alignment was valid and `new_size`, by the caller's promise, does not overflow with it.
        let layout_new = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        // SAFETY: `new_size` is not zero: it is larger than the old size.
        let moved = unsafe { self.alloc(layout_new) };
        if !moved.is_null() {
            // SAFETY: both blocks are live and disjoint, and the new one is the larger.
            unsafe { ptr::copy_nonoverlapping(block, moved, layout.size()) };
        }
        moved
    }
}

#[cfg(all(target_arch = "wasm32", not(target_feature = "atomics")))]
mod linear {
    //! The instance's linear memory, above what the linker placed.
    use core::arch::wasm32::{memory_grow, memory_size};

    use super::{Bump, Memory};

    const PAGE_BYTES: usize = 64 * 1024;

    unsafe extern "C" {
        /// The linker's: first address behind the stack and the static data. It has an address, no value.
        static __heap_base: u8;
    }

    struct Linear;

    impl Memory for Linear {
        fn range(&self) -> (usize, usize) {
            ((&raw const __heap_base).expose_provenance(), memory_size::<0>() * PAGE_BYTES)
        }

        fn grow(&self, bytes: usize) -> Option<usize> {
            let before = memory_grow::<0>(bytes.div_ceil(PAGE_BYTES));
            // All of a 32-bit memory is 65,536 pages, which has no end address: never reached, as the host's cap is lower.
            (before != usize::MAX).then(|| memory_size::<0>().checked_mul(PAGE_BYTES))?
        }
    }

    // SAFETY: without the atomics feature this target has one thread.
    unsafe impl Sync for Bump<Linear> {}

    #[global_allocator]
    static ALLOCATOR: Bump<Linear> = Bump::new(Linear);
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    /// A memory of fixed backing, of which only a part is there at first.
    struct Arena {
        start: usize,
        most: usize,
        there: Cell<usize>,
        grown: Cell<u32>,
    }

    impl Arena {
        fn new(there: usize, most: usize) -> Self {
            // Leaked, so that blocks may be written to for as long as the test likes.
            let backing = vec![0; most].leak();
            Self { start: backing.as_mut_ptr().expose_provenance(), most, there: Cell::new(there), grown: Cell::new(0) }
        }
    }

    impl Memory for Arena {
        fn range(&self) -> (usize, usize) {
            (self.start, self.start + self.there.get())
        }

        fn grow(&self, bytes: usize) -> Option<usize> {
            let there = self.there.get() + bytes;
            if there > self.most {
                return None;
            }
            self.there.set(there);
            self.grown.set(self.grown.get() + 1);
            Some(self.range().1)
        }
    }

    fn layout(size: usize, align: usize) -> Layout {
        Layout::from_size_align(size, align).unwrap()
    }

    #[test]
    fn blocks_are_aligned_disjoint_and_inside() {
        let bump = Bump::new(Arena::new(4096, 4096));
        let (start, end) = bump.memory.range();
        let mut blocks: Vec<(usize, usize)> = Vec::new();
        for (size, align) in [(1, 1), (7, 8), (64, 64), (3, 1), (16, 16), (100, 4)] {
            // SAFETY: the size is not zero.
            let at = unsafe { bump.alloc(layout(size, align)) }.addr();
            assert_ne!(at, 0);
            assert_eq!(at % align, 0, "{size} bytes at {align}");
            assert!(at >= start && at + size <= end);
            assert!(blocks.iter().all(|(from, until)| at + size <= *from || at >= *until), "blocks overlap");
            blocks.push((at, at + size));
        }
    }

    #[test]
    fn the_last_block_grows_shrinks_and_is_freed_in_place() {
        let bump = Bump::new(Arena::new(4096, 4096));
        // SAFETY: sizes are not zero, and each block is given back with the layout that it has.
        unsafe {
            let block = bump.alloc(layout(16, 8));
            assert_eq!(bump.realloc(block, layout(16, 8), 2000), block);
            assert_eq!(bump.realloc(block, layout(2000, 8), 32), block);
            let above = bump.alloc(layout(8, 8));
            assert_eq!(above.addr(), block.addr() + 32);
            bump.dealloc(above, layout(8, 8));
            assert_eq!(bump.alloc(layout(8, 8)), above);
        }
        assert_eq!(bump.memory.grown.get(), 0);
    }

    #[test]
    fn a_block_below_others_moves_with_its_content() {
        let bump = Bump::new(Arena::new(4096, 4096));
        // SAFETY: sizes are not zero, writes and reads stay inside the blocks, and layouts are those of the blocks.
        unsafe {
            let block = bump.alloc(layout(4, 4));
            block.cast::<u32>().write(0xfeed_beef);
            let above = bump.alloc(layout(4, 4));
            above.cast::<u32>().write(7);
            let moved = bump.realloc(block, layout(4, 4), 64);
            assert_ne!(moved, block);
            assert_eq!(moved.cast::<u32>().read(), 0xfeed_beef);
            assert_eq!(above.cast::<u32>().read(), 7);
            assert_eq!(bump.realloc(above, layout(4, 4), 2), above, "a block that shrinks stays");
        }
    }

    #[test]
    fn memory_grows_only_when_used_up_and_in_large_steps() {
        let bump = Bump::new(Arena::new(1024, 1024 + 2 * GROW_BYTES_MIN));
        // SAFETY: the sizes are not zero.
        unsafe {
            assert!(!bump.alloc(layout(1000, 1)).is_null());
            assert_eq!(bump.memory.grown.get(), 0);
            for _ in 0..100 {
                assert!(!bump.alloc(layout(1000, 1)).is_null());
            }
        }
        assert_eq!(bump.memory.grown.get(), 1);
    }

    #[test]
    fn a_memory_that_cannot_grow_by_a_large_step_grows_by_what_is_needed() {
        let bump = Bump::new(Arena::new(64, 128));
        // SAFETY: the sizes are not zero.
        unsafe {
            assert!(!bump.alloc(layout(100, 1)).is_null());
            assert!(bump.alloc(layout(100, 1)).is_null(), "used up");
            assert!(!bump.alloc(layout(28, 1)).is_null(), "a refusal takes nothing away");
        }
    }

    #[test]
    fn a_size_beyond_the_address_space_is_refused() {
        let bump = Bump::new(Arena::new(64, 64));
        // SAFETY: the size is not zero.
        assert!(unsafe { bump.alloc(layout(isize::MAX as usize, 1)) }.is_null());
    }
}
