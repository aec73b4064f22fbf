//! What the programs cost, as the verifier and test runs tell it: for budgets and benchmarks.

use std::time::Duration;

use aya::TestRunOptions;
use aya::programs::ProgramInfo;

use crate::programs::{self, DRIVER_HOOK, LoadError, PACKET_HOOKS, SOCKET_HOOKS};
use crate::{OpenError, PacketPrograms};

/// Of one program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figures {
    /// Its name.
    pub program: &'static str,
    /// Instructions that the verifier walked, over all ways (`verified_insns`, 5.16); `None`: the kernel
    /// does not say.
    pub verified_instructions: Option<u32>,
    /// Instructions that the program has, all of its functions together.
    pub instructions: Option<u32>,
}

impl PacketPrograms {
    /// Of all programs, those of the socket hooks included.
    pub fn figures(&mut self) -> Result<Vec<Figures>, OpenError> {
        let refused = |program, error| LoadError::Program { program, error: Box::new(error) };
        let mut all = Vec::new();
        for name in PACKET_HOOKS {
            let program = programs::classifier(self.loaded.packets_mut(), name);
            all.push(figures(name, &program.info().map_err(|error| refused(name, error))?));
        }
        let driver = self.loaded.driver().info();
        all.push(figures(DRIVER_HOOK, &driver.map_err(|error| refused(DRIVER_HOOK, error))?));
        for name in SOCKET_HOOKS {
            let program = programs::socket_hook(self.loaded.sockets_mut(), name);
            all.push(figures(name, &program.info().map_err(|error| refused(name, error))?));
        }
        Ok(all)
    }

    /// Runs a packet program so many times, each on what the run before has left of the frame: the last verdict,
    /// and how long a run took by the kernel's clock, which it reads before the first and after the last.
    pub fn run_timed(
        &mut self,
        program: &'static str,
        frame: &[u8],
        repeat: u32,
    ) -> Result<(i32, Duration), OpenError> {
        let options = TestRunOptions { data_in: Some(frame), repeat, ..TestRunOptions::default() };
        let result = self.loaded.test_run(program, options)?;
        Ok((result.return_value as i32, result.duration))
    }
}

fn figures(program: &'static str, info: &ProgramInfo) -> Figures {
    /// Bytes of an instruction.
    const INSTRUCTION: u32 = 8;
    Figures {
        program,
        verified_instructions: info.verified_instruction_count(),
        instructions: info.size_translated().map(|bytes| bytes / INSTRUCTION),
    }
}
