//! Programs under callgrind, on one core.

use std::error::Error;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

/// A program that runs under callgrind.
pub(crate) struct Counted {
    child: Child,
    out: PathBuf,
}

impl Counted {
    /// Starts a program. Its profile is written to `out` when it ends.
    pub(crate) fn start(
        program: &Path,
        arguments: &[&str],
        environment: &[(&str, &str)],
        out: PathBuf,
    ) -> Result<Self, Box<dyn Error>> {
        let child = Command::new("taskset")
            .args(["--cpu-list", &first_core()?, "valgrind", "--quiet", "--tool=callgrind"])
            .arg(format!("--callgrind-out-file={}", out.display()))
            .arg(program)
            .args(arguments)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| {
                format!("taskset and valgrind are needed ({error}); `./test setup` installs them")
            })?;
        Ok(Self { child, out })
    }

    /// The address in the line that the gateway logs once it listens.
    pub(crate) fn address(&mut self) -> Result<SocketAddr, Box<dyn Error>> {
        let log = self.child.stderr.take().ok_or("the address was asked for before")?;
        let mut lines = BufReader::new(log).lines();
        for line in lines.by_ref().map_while(Result::ok) {
            if let Some((_, rest)) = line.split_once("\"address\":\"")
                && let Some((address, _)) = rest.split_once('"')
            {
                let address = address.parse()?;
                // What else it logs goes nowhere; it must not wait for us.
                thread::spawn(move || lines.for_each(drop));
                return Ok(address);
            }
        }
        Err("the gateway ended before it listened".into())
    }

    /// Asks the program to stop.
    pub(crate) fn terminate(&self) -> Result<(), Box<dyn Error>> {
        Command::new("kill").arg(self.child.id().to_string()).status()?;
        Ok(())
    }

    /// Waits for the end and gives the number of instructions of all threads.
    pub(crate) fn count(mut self) -> Result<u64, Box<dyn Error>> {
        let status = self.child.wait()?;
        if !status.success() {
            return Err(format!("valgrind ended with {status}").into());
        }
        let profile = fs::read_to_string(&self.out)?;
        let total = profile.lines().find_map(|line| line.strip_prefix("totals: "));
        Ok(total.ok_or("the profile of callgrind has no total")?.trim().parse()?)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The first core that this process may use.
fn first_core() -> Result<String, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    let first = list.and_then(|list| list.trim().split([',', '-']).next());
    Ok(first.ok_or("/proc/self/status names no cores")?.to_owned())
}
