//! Redis's commands as it shows them (MONITOR), and the same ones sent by redis-benchmark.

use std::process::Command;
use std::time::Duration;

use futures_util::StreamExt as _;

use crate::flow::Flow;

/// The commands that Redis gets while `flow` runs, as it writes them; those that a script calls are left out.
pub(crate) async fn commands(url: &str, flow: impl Future) -> Vec<String> {
    let monitor = redis::Client::open(url).unwrap().get_async_monitor().await.unwrap();
    let mut lines = monitor.into_on_message::<String>();
    flow.await;
    let mut commands = Vec::new();
    while let Ok(Some(line)) = tokio::time::timeout(Duration::from_millis(200), lines.next()).await {
        let (head, command) = line.split_once("] ").unwrap();
        if !head.ends_with(" lua") {
            commands.push(command.to_owned());
        }
    }
    commands
}

/// What stands between the quotes of a command, which are escaped as in C.
fn arguments(command: &str) -> Vec<String> {
    let parts = command.trim_matches('"').split("\" \"");
    parts.map(|part| part.replace("\\\"", "\"").replace("\\\\", "\\")).collect()
}

/// The command so that it does its work each time it is sent: with a token that is new, and a generation that is found.
fn repeatable(command: &str) -> Vec<String> {
    let mut arguments = arguments(command);
    let generation = arguments.iter().find_map(|argument| argument.split_once(" {").map(|(generation, _)| generation));
    let generation = generation.filter(|text| text.parse::<u64>().is_ok()).map(|generation| format!("{generation} "));
    for argument in &mut arguments {
        if let (Some(generation), true) =
            (&generation, argument.trim_end().parse::<u64>().is_ok() && argument.ends_with(' '))
        {
            argument.clone_from(generation);
        }
        if let Some((before, _)) = argument.split_once("token:").filter(|(_, digest)| digest.len() == 43) {
            *argument = format!("{before}token:__rand_int__");
        }
    }
    arguments
}

/// How often a second the commands can be sent one after the other, from the rate of each. What a code is redeemed by
/// can be sent once only.
pub(crate) fn rate(url: &str, flow: Flow, commands: &[String], tasks: usize) -> Option<f64> {
    if flow == Flow::Code {
        return None;
    }
    let port = url::Url::parse(url).unwrap().port().unwrap().to_string();
    let mut seconds = 0.0;
    for command in commands {
        let output = Command::new("redis-benchmark")
            .args(["-p", &port, "-c", &tasks.to_string(), "-n", "40000", "-r", "1000000000", "--csv"])
            .args(repeatable(command))
            .output()
            .ok()?;
        let said = String::from_utf8_lossy(&output.stdout);
        let rate = said.lines().last().and_then(|line| line.rsplit("\",\"").nth(6)?.parse::<f64>().ok());
        seconds += 1.0 / rate.unwrap_or_else(|| panic!("{said}"));
    }
    Some(1.0 / seconds)
}
