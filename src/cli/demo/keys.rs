//! What an operator types to break a backend of the demo, and to bring it back.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead, BufReader, IsTerminal, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};

use crate::cli::output;
use crate::demo::{Backend, Health, SLOWER_BY};

/// The longest line that is read as one, in bytes.
const MAX_LINE: u64 = 100;

/// How often a process in the background looks whether it has become the one that is typed to.
const LOOK: Duration = Duration::from_secs(1);

/// What can be done, for those who do not know.
pub(super) const HELP: &str = "`k 1` and Enter kills backend 1, `h 1` hangs it, `s 1` slows it, `e 1` lets it fail, `r 1` brings it back";

/// A backend and what it is called: a number, or the name of its service.
pub(super) type Known = (String, Backend);

/// Reads lines from standard input, until there are no more, on a thread of its own.
///
/// # Errors
/// The operating system refuses a thread.
pub(super) fn listen(backends: Vec<Known>) -> std::io::Result<()> {
    thread::Builder::new().name("keys".into()).spawn(move || {
        // Without a standard input there is nothing to be read.
        if let Ok(input) = std::io::stdin().as_fd().try_clone_to_owned() {
            read(BufReader::new(File::from(input)), &backends);
        }
        // They live as long as the process.
        loop {
            thread::park();
        }
    })?;
    Ok(())
}

fn read(mut input: BufReader<File>, backends: &[Known]) {
    let is_terminal = input.get_ref().is_terminal();
    loop {
        if is_terminal && input.buffer().is_empty() && !wait(input.get_ref().as_fd()) {
            return;
        }
        let mut line = Vec::new();
        match (&mut input).take(MAX_LINE).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let line = String::from_utf8_lossy(&line);
        if !line.trim().is_empty() {
            output::line(&obey(line.trim(), backends));
        }
    }
}

/// Waits until something is typed to this process. One in the background must not read what is typed to the shell: the
/// system would stop it. Says whether there is still a terminal.
fn wait(terminal: BorrowedFd<'_>) -> bool {
    loop {
        let mut wanted = [PollFd::from_borrowed_fd(terminal, PollFlags::IN)];
        match poll(&mut wanted, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return false,
        }
        match rustix::termios::tcgetpgrp(terminal) {
            Ok(foreground) if foreground == rustix::process::getpgrp() => return true,
            Ok(_) => thread::sleep(LOOK),
            Err(_) => return false,
        }
    }
}

/// Does what a line asks for, and says what came of it.
fn obey(line: &str, backends: &[Known]) -> String {
    match parse(line, backends) {
        Ok((health, (name, backend))) => match backend.set(health) {
            Ok(()) => told(name, health),
            Err(error) => {
                format!(
                    "Backend {name} is not back: it cannot listen on {} again: {error}. Try `r {name}` later.",
                    backend.address()
                )
            }
        },
        Err(text) => text,
    }
}

/// What is to become of which backend.
fn parse<'b>(line: &str, backends: &'b [Known]) -> Result<(Health, &'b Known), String> {
    let mut words = line.split_whitespace();
    let health = match words.next() {
        Some("k") => Health::Gone,
        Some("h") => Health::Hanging,
        Some("s") => Health::Slow,
        Some("e") => Health::Failing,
        Some("r") => Health::Well,
        _ => return Err(format!("There is no such key. {HELP}.")),
    };
    let name = words.next().filter(|_| words.next().is_none());
    let known = name.and_then(|name| backends.iter().find(|(known, _)| known == name));
    known.map(|known| (health, known)).ok_or_else(|| {
        let mut text = String::from("Say which backend, one of");
        for (place, (name, _)) in backends.iter().enumerate() {
            let mark = if place == 0 { "" } else { "," };
            write!(text, "{mark} {name}").expect("a String takes everything");
        }
        format!("{text}. {HELP}.")
    })
}

fn told(name: &str, health: Health) -> String {
    let back = format!("`r {name}` brings it back.");
    match health {
        Health::Well => format!("Backend {name} is well."),
        Health::Gone => {
            format!("Backend {name} is killed: its port is closed and its connections are broken. {back}")
        }
        Health::Hanging => {
            format!("Backend {name} hangs: connections to it are accepted, and nothing is answered. {back}")
        }
        Health::Slow => {
            format!("Backend {name} is slow: it answers each call {} ms later. {back}", SLOWER_BY.as_millis())
        }
        Health::Failing => format!("Backend {name} fails: it answers each call with UNAVAILABLE. {back}"),
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr, TcpStream};

    use super::*;
    use crate::demo::{Kind, World};

    #[test]
    fn each_key_is_told_what_came_of_it() {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let world = World::default();
        let backends = [("1", Kind::Bookstore), ("offers", Kind::Offers)]
            .map(|(name, kind)| (name.to_owned(), Backend::start(kind, any, &world).unwrap()));
        for (line, expected) in [
            (
                "k 1",
                "Backend 1 is killed: its port is closed and its connections are broken. `r 1` brings it back.",
            ),
            ("  r   1 ", "Backend 1 is well."),
            ("s 1", "Backend 1 is slow: it answers each call 300 ms later. `r 1` brings it back."),
            (
                "e offers",
                "Backend offers fails: it answers each call with UNAVAILABLE. `r offers` brings it back.",
            ),
            (
                "h offers",
                "Backend offers hangs: connections to it are accepted, and nothing is answered. `r offers` brings it back.",
            ),
        ] {
            assert_eq!(obey(line.trim(), &backends), expected);
        }
        let which = format!("Say which backend, one of 1, offers. {HELP}.");
        for (line, expected) in [
            ("x 1", format!("There is no such key. {HELP}.")),
            ("kill 1", format!("There is no such key. {HELP}.")),
            ("k", which.clone()),
            ("k 2", which.clone()),
            ("k 1 offers", which),
        ] {
            assert_eq!(obey(line, &backends), expected);
        }
        // One that is killed comes back where it was, in whatever state is asked for.
        let address = backends[0].1.address();
        obey("k 1", &backends);
        assert!(TcpStream::connect(address).is_err());
        obey("e 1", &backends);
        assert!(TcpStream::connect(address).is_ok());
    }
}
