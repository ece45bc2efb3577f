//! The program itself, as a process.

use std::io::{BufRead as _, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::Instant;

/// A debug build takes its time over the built-in password.
pub const START_WITHIN: Duration = Duration::from_secs(60);
pub const STOP_WITHIN: Duration = Duration::from_secs(10);

/// The program under test. It is killed when this is dropped.
pub struct Program {
    /// Its working directory, unless the test chose one.
    own_folder: Option<TempDir>,
    child: Child,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
}

pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Program {
    /// Starts it in a folder of its own.
    pub fn start(args: &[&str]) -> Self {
        Self::start_logging("info", args)
    }

    pub fn start_logging(filter: &str, args: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut program = Self::spawn(folder.path(), filter, args);
        program.own_folder = Some(folder);
        program
    }

    pub fn start_in(folder: &Path, args: &[&str]) -> Self {
        Self::spawn(folder, "info", args)
    }

    fn spawn(folder: &Path, filter: &str, args: &[&str]) -> Self {
        let test = std::env::current_exe().unwrap();
        let program = test.parent().unwrap().parent().unwrap().join("examples/server");
        let mut command = Command::new(&program);
        command.args(args).current_dir(folder).env("RUST_LOG", filter);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // `cargo test --test process` alone does not build it.
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        let (stdout, stderr) = (lines(child.stdout.take().unwrap()), lines(child.stderr.take().unwrap()));
        Self { own_folder: None, child, stdout, stderr }
    }

    /// Waits until the server runs; answers its issuer, its address and all that it printed.
    pub fn welcome(&mut self) -> (String, String, String) {
        let mut printed = String::new();
        while !printed.ends_with("Ctrl-C stops the server.\n") {
            match self.stdout.recv_timeout(START_WITHIN) {
                Ok(line) => printed += &line,
                Err(_) => panic!("{}", self.end(STOP_WITHIN).stderr),
            }
        }
        let first = printed.lines().next().unwrap().strip_suffix('.').unwrap();
        let (issuer, address) = first.split_once(" listens on ").unwrap();
        let issuer = issuer.strip_prefix("The authorization server ").unwrap();
        (issuer.to_owned(), address.to_owned(), printed)
    }

    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    pub fn end(&mut self, within: Duration) -> Ended {
        let deadline = Instant::now() + within;
        let (stdout, stderr) = (rest(&self.stdout, deadline), rest(&self.stderr, deadline));
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Ended { code: status.code(), stdout, stderr };
            }
            assert!(Instant::now() < deadline, "still running: {stderr}");
            thread::yield_now();
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
            let _ = sender.send(String::from_utf8_lossy(&line).into_owned() + "\n");
        }
    });
    receiver
}

fn rest(lines: &Receiver<String>, deadline: Instant) -> String {
    let mut text = String::new();
    loop {
        match lines.recv_timeout(deadline - Instant::now()) {
            Ok(line) => text += &line,
            Err(RecvTimeoutError::Disconnected) => return text,
            Err(RecvTimeoutError::Timeout) => panic!("still running: {text}"),
        }
    }
}
