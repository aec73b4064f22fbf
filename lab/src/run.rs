//! Programs that are run to their end, and conditions that are waited for.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::error::LabError;

/// What a command prints; what it complained of is in the error.
pub(crate) fn output(command: &mut Command) -> Result<String, LabError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output =
        command.stdin(Stdio::null()).output().map_err(LabError::io(format!("run {program}")))?;
    if !output.status.success() {
        let words = command.get_args().map(|word| word.to_string_lossy().into_owned());
        let command = [program].into_iter().chain(words).collect::<Vec<_>>().join(" ");
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).trim().to_owned();
        let said = if said.is_empty() { output.status.to_string() } else { said };
        return Err(LabError::Program { command, said });
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Asks until the answer is yes; `Err` of it is what is there instead.
pub(crate) fn wait_for<T>(
    what: &str,
    limit: Duration,
    interval: Duration,
    mut ask: impl FnMut() -> Result<T, String>,
) -> Result<T, LabError> {
    let deadline = Instant::now() + limit;
    loop {
        match ask() {
            Ok(value) => return Ok(value),
            Err(seen) if Instant::now() > deadline => {
                return Err(LabError::Late { what: what.to_owned(), limit, seen });
            }
            Err(_) => std::thread::sleep(interval),
        }
    }
}
