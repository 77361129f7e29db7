//! What a benchmark is told: how often, and beside which other broker.

pub(crate) struct Arguments {
    pub(crate) rounds: usize,
    pub(crate) peer: Option<(String, u32)>,
}

pub(crate) fn arguments() -> Arguments {
    let mut given = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let (mut rounds, mut address, mut pid) = (3, None, 0);
    while let Some(name) = given.next() {
        let value = given.next().unwrap_or_else(|| panic!("{name} wants a value"));
        match name.as_str() {
            "--rounds" => rounds = value.parse().expect("a number"),
            "--peer" => address = Some(value),
            "--peer-pid" => pid = value.parse().expect("a process id"),
            other => panic!("unknown argument {other}"),
        }
    }
    Arguments { rounds, peer: address.map(|address| (address, pid)) }
}
