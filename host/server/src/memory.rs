//! What glibc's allocator is told. A thread that finds its arena locked waits: with one arena for all, a fifth of the CPU goes
//! there. With glibc's own eight for each core, what is resident grows with every thread that ever ran. So there is one for each
//! thread that works all the time; and what compiling flows used is given back. Elsewhere than on glibc nothing is told.

/// The store's writer and reader.
#[cfg(target_env = "gnu")]
const STORE_THREADS: usize = 2;

/// Before the first thread starts. The runtime has one for each core.
pub fn share_arenas() {
    #[cfg(target_env = "gnu")]
    {
        let workers = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        let arenas = libc::c_int::try_from(workers.saturating_add(STORE_THREADS)).unwrap_or(libc::c_int::MAX);
        // SAFETY: mallopt(3) takes two integers and changes how malloc behaves from here on; it is called before any
        // other thread runs, as it asks, and reads or frees nothing of ours.
        #[allow(unsafe_code)]
        let taken = unsafe { libc::mallopt(libc::M_ARENA_MAX, arenas) };
        debug_assert_eq!(taken, 1, "glibc takes M_ARENA_MAX");
    }
}

/// After start-up: free pages go back to the system.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    {
        // SAFETY: malloc_trim(3) is thread-safe (MT-Safe) and returns only memory that nobody has allocated.
        #[allow(unsafe_code)]
        let _ = unsafe { libc::malloc_trim(0) };
    }
}
