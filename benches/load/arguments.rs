//! The arguments of a benchmark: how often, beside which other broker, and which of its parts.

#![allow(dead_code, reason = "a benchmark without parts does not ask for them")]

pub(crate) struct Arguments {
    pub(crate) rounds: usize,
    pub(crate) peer: Option<(String, u32)>,
    only: Option<String>,
}

impl Arguments {
    /// Whether a part was asked for, or all of them.
    pub(crate) fn wants(&self, part: &str) -> bool {
        self.only.as_deref().is_none_or(|only| only == part)
    }
}

/// `parts` are what `--only` may name.
pub(crate) fn arguments(parts: &[&str]) -> Arguments {
    let mut given = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let (mut rounds, mut address, mut pid, mut only) = (3, None, 0, None);
    while let Some(name) = given.next() {
        let value = given.next().unwrap_or_else(|| panic!("{name} wants a value"));
        match name.as_str() {
            "--rounds" => rounds = value.parse().expect("a number"),
            "--peer" => address = Some(value),
            "--peer-pid" => pid = value.parse().expect("a process id"),
            "--only" if parts.contains(&value.as_str()) => only = Some(value),
            "--only" => panic!("there is no part {value}, only {}", parts.join(", ")),
            other => panic!("unknown argument {other}"),
        }
    }
    Arguments { rounds, peer: address.map(|address| (address, pid)), only }
}
