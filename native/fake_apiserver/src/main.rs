//! The fake API server as a program: arguments in, one line of JSON out, then it serves.

use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;

use fake_apiserver::{Options, Server};
use serde_json::json;

const USAGE: &str = "usage: fake_apiserver --dir DIR [--listen ADDRESS:PORT] \
    [--control ADDRESS:PORT] [--san NAME_OR_IP]... [--exit-with-stdin]";

struct Arguments {
    options: Options,
    exit_with_stdin: bool,
}

fn main() -> ExitCode {
    let arguments = match arguments(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(message) => {
            eprintln!("fake_apiserver: {message}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fake_apiserver: {error}");
            ExitCode::FAILURE
        }
    }
}

fn arguments(mut given: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let mut options = Options::default();
    let mut exit_with_stdin = false;
    while let Some(flag) = given.next() {
        let mut value = || given.next().ok_or_else(|| format!("{flag} needs a value"));
        match flag.as_str() {
            "--dir" => options.dir = Some(PathBuf::from(value()?)),
            "--listen" => options.listen = address(&value()?)?,
            "--control" => options.control = address(&value()?)?,
            "--san" => options.names.push(value()?),
            "--exit-with-stdin" => exit_with_stdin = true,
            _ => return Err(format!("unknown argument {flag}")),
        }
    }
    if options.dir.is_none() {
        return Err("--dir is missing".to_owned());
    }
    Ok(Arguments {
        options,
        exit_with_stdin,
    })
}

fn address(text: &str) -> Result<std::net::SocketAddr, String> {
    text.parse().map_err(|_| format!("{text} is not ADDRESS:PORT"))
}

fn run(arguments: Arguments) -> io::Result<()> {
    let server = Server::start_with(arguments.options)?;
    let ready = json!({
        "url": server.url(),
        "control": server.control_url(),
        "service_account": server.service_account(),
    });
    let mut stdout = io::stdout();
    writeln!(stdout, "{ready}")?;
    stdout.flush()?;
    if arguments.exit_with_stdin {
        // The parent's end closes with it, however it dies.
        let mut ignored = [0; 1024];
        while matches!(io::stdin().read(&mut ignored), Ok(1..)) {}
        return Ok(());
    }
    loop {
        thread::park();
    }
}
