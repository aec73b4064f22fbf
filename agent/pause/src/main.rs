//! The pod sandbox's first process: holds the namespaces, reaps children, waits to be told to end.
//!
//! It runs once in every pod, so it has no runtime, no heap and no libc: four system calls. Signals are
//! blocked and waited for instead of handled. That also works for process 1 of a PID namespace, for which
//! the kernel drops unblocked signals without a handler (`sig_task_ignored`) but queues blocked ones.

#![no_std]
#![no_main]

mod syscall;

use syscall::{exit_group, rt_sigprocmask_block, rt_sigtimedwait, wait4_any_nohang};

/// `EINTR`, as system calls return it.
const INTERRUPTED: isize = -4;

const SIGINT: isize = 2;
const SIGTERM: isize = 15;
const SIGCHLD: isize = 17;

/// The kernel's signal set: bit n-1 is signal n.
const WAITED_FOR: u64 = 1 << (SIGINT - 1) | 1 << (SIGTERM - 1) | 1 << (SIGCHLD - 1);

/// Where `_start` goes once the stack is aligned.
#[unsafe(no_mangle)]
extern "C" fn pause() -> ! {
    if rt_sigprocmask_block(&WAITED_FOR) < 0 {
        exit_group(1);
    }
    // Children may have died before the signals were blocked.
    reap();
    loop {
        match rt_sigtimedwait(&WAITED_FOR) {
            SIGCHLD => reap(),
            SIGINT | SIGTERM => exit_group(0),
            // Stopped and continued, or traced.
            INTERRUPTED => {}
            _ => exit_group(1),
        }
    }
}

/// Collects every child that is dead by now. Orphans of a pod that shares its PID namespace end up here.
fn reap() {
    while wait4_any_nohang() > 0 {}
}

#[panic_handler]
fn panicked(_: &core::panic::PanicInfo<'_>) -> ! {
    exit_group(2)
}
