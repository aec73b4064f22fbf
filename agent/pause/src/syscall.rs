//! The entry point and the four system calls, for x86-64 and arm64. Nothing else here knows the machine.

use core::arch::{asm, global_asm};

// The psABI wants a 16-byte aligned stack at calls; the outermost frame is marked by a zero frame pointer.
#[cfg(target_arch = "x86_64")]
global_asm!(
    ".globl _start",
    "_start:",
    "xor %ebp, %ebp",
    "and $-16, %rsp",
    "call pause",
    options(att_syntax)
);
#[cfg(target_arch = "aarch64")]
global_asm!(".globl _start", "_start:", "mov x29, #0", "mov x30, #0", "b pause");

#[cfg(target_arch = "x86_64")]
mod number {
    pub(super) const RT_SIGPROCMASK: usize = 14;
    pub(super) const WAIT4: usize = 61;
    pub(super) const RT_SIGTIMEDWAIT: usize = 128;
    pub(super) const EXIT_GROUP: usize = 231;
}
#[cfg(target_arch = "aarch64")]
mod number {
    pub(super) const EXIT_GROUP: usize = 94;
    pub(super) const RT_SIGPROCMASK: usize = 135;
    pub(super) const RT_SIGTIMEDWAIT: usize = 137;
    pub(super) const WAIT4: usize = 260;
}

const SIG_BLOCK: usize = 0;
const WNOHANG: usize = 1;
const SIGSET_BYTES: usize = 8;

/// Makes system call `number`; the kernel's answer, negative errno on failure.
///
/// # Safety
/// The arguments must be what the call expects; pointers must be valid for what it reads and writes.
unsafe fn syscall(number: usize, args: [usize; 4]) -> isize {
    let answer: isize;
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the kernel clobbers rcx and r11 and nothing else; the caller answers for the arguments.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number => answer,
            in("rdi") args[0], in("rsi") args[1], in("rdx") args[2], in("r10") args[3],
            lateout("rcx") _, lateout("r11") _,
            options(nostack),
        );
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: the kernel preserves every register but x0; the caller answers for the arguments.
    unsafe {
        asm!(
            "svc 0",
            in("x8") number,
            inlateout("x0") args[0] => answer,
            in("x1") args[1], in("x2") args[2], in("x3") args[3],
            options(nostack),
        );
    }
    answer
}

/// Adds `set` to the blocked signals.
pub(crate) fn rt_sigprocmask_block(set: &u64) -> isize {
    // SAFETY: `set` is 8 readable bytes, the old set is not asked for.
    unsafe {
        syscall(number::RT_SIGPROCMASK, [SIG_BLOCK, set as *const u64 as usize, 0, SIGSET_BYTES])
    }
}

/// Sleeps until a signal of `set` is pending, takes it and answers its number.
pub(crate) fn rt_sigtimedwait(set: &u64) -> isize {
    // SAFETY: `set` is 8 readable bytes, neither details nor a timeout are asked for.
    unsafe { syscall(number::RT_SIGTIMEDWAIT, [set as *const u64 as usize, 0, 0, SIGSET_BYTES]) }
}

/// Collects one dead child: its process id, 0 when all live, negative when there is none.
pub(crate) fn wait4_any_nohang() -> isize {
    // SAFETY: neither status nor resource usage are asked for.
    unsafe { syscall(number::WAIT4, [-1_isize as usize, 0, WNOHANG, 0]) }
}

/// Ends the process.
pub(crate) fn exit_group(code: usize) -> ! {
    loop {
        // SAFETY: takes a number and does not come back.
        unsafe { syscall(number::EXIT_GROUP, [code, 0, 0, 0]) };
    }
}
