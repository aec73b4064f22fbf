//! Packet logic, pure: the same functions run in the kernel programs and in host tests.
#![no_std]
