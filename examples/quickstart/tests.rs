//! Runs both programs. The README shows one of them.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

#[test]
fn the_quickstart_ends_with_success() -> Result {
    let output = Command::new(example("quickstart")?).output()?;
    assert!(output.status.success(), "{output:?}");
    Ok(())
}

#[cfg(unix)]
#[test]
fn the_program_of_the_readme_stops_at_ctrl_c() -> Result {
    readme_stops_at("INT")
}

#[cfg(unix)]
#[test]
fn the_program_of_the_readme_stops_at_sigterm() -> Result {
    readme_stops_at("TERM")
}

/// Stops with success, with an idle client. Windows has no signal that a test could send to one
/// process.
#[cfg(unix)]
fn readme_stops_at(signal: &str) -> Result {
    let mut program = Command::new(example("readme")?)
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    let stdout = program.stdout.take().ok_or("stdout is piped")?;
    BufReader::new(stdout).read_line(&mut line)?;
    let address = line
        .trim_end()
        .strip_prefix("serving at ")
        .ok_or("no address")?;

    let mut client = TcpStream::connect(address)?;
    client.write_all(b"hello\n")?;
    let mut reply = [0; 6];
    client.read_exact(&mut reply)?;
    assert_eq!(&reply, b"hello\n");

    let kill = format!("kill -s {signal} {}", program.id());
    assert!(Command::new("sh").arg("-c").arg(kill).status()?.success());
    assert!(program.wait()?.success());
    drop(client);
    Ok(())
}

/// The path of an example, which `cargo test` has built.
fn example(name: &str) -> Result<PathBuf> {
    let test = std::env::current_exe()?;
    let profile = test.ancestors().nth(2).ok_or("the test is in a folder")?;
    Ok(profile.join("examples").join(name))
}
