//! `millstream serve`: opens the data directory, listens, runs until it is told to stop or a disk fails, and drains.

use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use millstream_admin::{Admin, Sparing};
use millstream_broker::{Broker, BrokerHandle, BrokerSettings, Listener, Server};
use millstream_client::Client;
use millstream_processor::{STACK_BYTES, Session};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::config::{ConfigFile, broker_settings};
use crate::failure::Failure;

/// How long queries and connections may take to finish.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// The stack of a thread that does the broker's work: what Rust gives a thread unless told otherwise.
const IO_STACK_BYTES: usize = 2 * 1024 * 1024;

/// With fewer files that may be open it is worth a word.
const OPEN_FILES_FEW: u64 = 4096;

/// Flags of `serve`.
#[derive(Debug, Args)]
pub(crate) struct ServeArguments {
    /// A TOML file; flags and the environment override it.
    #[arg(long, env = "MILLSTREAM_CONFIG")]
    config: Option<PathBuf>,
    /// Where everything is kept.
    #[arg(long, env = "MILLSTREAM_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// Where Kafka clients connect; port 0 means any free one. For several listeners: --set listeners=….
    #[arg(long, env = "MILLSTREAM_KAFKA", value_name = "ADDRESS")]
    kafka: Option<String>,
    /// Where the admin API listens.
    #[arg(long, env = "MILLSTREAM_HTTP", value_name = "ADDRESS")]
    http: Option<String>,
    /// A broker property by Kafka's name; may be given several times.
    #[arg(long, value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// Listen beyond this machine although nothing is encrypted and nobody is asked who they are.
    #[arg(long)]
    insecure_listen_beyond_loopback: bool,
}

/// Everything that a server needs, checked.
#[derive(Debug)]
pub(crate) struct ServerConfig {
    pub data_dir: PathBuf,
    pub listeners: Vec<Listener>,
    pub http: SocketAddr,
    pub settings: BrokerSettings,
}

/// A server that runs.
pub(crate) struct Running {
    /// Where Kafka clients connect, the first listener first.
    pub kafka: Vec<SocketAddr>,
    pub http: SocketAddr,
    pub session: Session,
    broker: Arc<Broker>,
    stop: watch::Sender<bool>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
    io: Runtime,
    queries: Runtime,
}

pub(crate) fn run(arguments: ServeArguments) -> Result<(), Failure> {
    start_logging()?;
    let config = check(arguments)?;
    let data_dir = config.data_dir.clone();
    let running = Running::start(config)?;
    let (version, http) = (env!("CARGO_PKG_VERSION"), running.http);
    tracing::info!("millstream {version} serves {}; topics, groups and queries are shown on http://{http}/", data_dir.display());
    for kafka in &running.kafka {
        println!("kafka {kafka}");
    }
    println!("http {}", running.http);
    std::io::stdout().flush().map_err(|error| Failure::other(error.to_string()))?;
    running.until_stopped()
}

/// Logs go to stderr, as `MILLSTREAM_LOG` says.
fn start_logging() -> Result<(), Failure> {
    let wanted = std::env::var("MILLSTREAM_LOG").unwrap_or_default();
    let filter = if wanted.trim().is_empty() { "info" } else { wanted.trim() };
    check_filter(filter)?;
    let filter =
        tracing_subscriber::EnvFilter::try_new(filter).map_err(|error| Failure::usage(format!("MILLSTREAM_LOG={wanted}: {error}")))?;
    let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr());
    // A second call in one process changes nothing.
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(ansi).try_init();
    Ok(())
}

/// A word that is no level would be taken for a part of the program, and silence all others.
fn check_filter(filter: &str) -> Result<(), Failure> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let unknown = filter.split(',').map(str::trim).find(|part| {
        let level = part.rsplit_once('=').map_or(*part, |(_, level)| level);
        !LEVELS.contains(&level.to_ascii_lowercase().as_str())
    });
    match unknown {
        None => Ok(()),
        Some(part) => {
            let levels = LEVELS.join(", ");
            Err(Failure::usage(format!(
                "MILLSTREAM_LOG={filter}: {part:?} is no level: write one of {levels}, or such as info,millstream_broker=debug"
            )))
        }
    }
}

fn check(arguments: ServeArguments) -> Result<ServerConfig, Failure> {
    let file = match &arguments.config {
        Some(path) => ConfigFile::read(path)?,
        None => ConfigFile::default(),
    };
    let is_insecure = arguments.insecure_listen_beyond_loopback;
    let settings = broker_settings(&file, &arguments.set)?;
    let listeners = listeners(arguments.kafka.as_ref().or(file.kafka.as_ref()), &settings, is_insecure)?;
    let http = arguments.http.as_ref().or(file.http.as_ref()).map_or("127.0.0.1:8080", String::as_str);
    Ok(ServerConfig {
        listeners,
        http: address("http", http, "127.0.0.1:8080", is_insecure)?,
        settings,
        data_dir: arguments.data_dir.or(file.data_dir).unwrap_or_else(|| PathBuf::from("millstream-data")),
    })
}

/// Those of the properties; without them the one of the flag.
fn listeners(flag: Option<&String>, settings: &BrokerSettings, is_insecure: bool) -> Result<Vec<Listener>, Failure> {
    if let (Some(flag), [first, ..]) = (flag, settings.listeners()) {
        let sentence = format!("--kafka {flag} and listeners {}://{}: give one of the two", first.name, first.address);
        return Err(Failure::usage(sentence));
    }
    if settings.listeners().is_empty() {
        let address = address("kafka", flag.map_or("127.0.0.1:9092", String::as_str), "127.0.0.1:9092", is_insecure)?;
        let plain = Listener::plain(&address.ip().to_string(), address.port());
        return Ok(vec![Listener { advertised: settings.advertised().cloned(), ..plain }]);
    }
    for listener in settings.listeners() {
        let host = listener.address.host.as_str();
        let is_loopback = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|host| host.is_loopback());
        if !is_loopback && !is_insecure {
            return Err(beyond_loopback(&format!("listener {}://{}", listener.name, listener.address), listener.address.port));
        }
    }
    Ok(settings.listeners().to_vec())
}

fn address(name: &str, text: &str, default: &str, is_insecure: bool) -> Result<SocketAddr, Failure> {
    let address: SocketAddr = text
        .replace("localhost:", "127.0.0.1:")
        .parse()
        .map_err(|_| Failure::usage(format!("--{name} {text}: write an address and a port, such as {default}")))?;
    if !address.ip().is_loopback() && !is_insecure {
        return Err(beyond_loopback(&format!("--{name} {text}"), address.port()));
    }
    Ok(address)
}

fn beyond_loopback(what: &str, port: u16) -> Failure {
    Failure::usage(format!(
        "{what} can be reached from other machines, and there is neither encryption nor authentication yet: listen on {}, \
         or accept that anybody there can read and write everything with --insecure-listen-beyond-loopback",
        SocketAddr::new(IpAddr::from([127, 0, 0, 1]), port)
    ))
}

/// Two runtimes: a heavy query must not delay an acknowledgement.
fn runtime(name: &str, threads: usize, stack_bytes: usize) -> Result<Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .thread_name(name)
        .thread_stack_size(stack_bytes)
        .worker_threads(threads)
        .enable_all()
        .build()
        .map_err(|error| Failure::other(format!("cannot start threads: {error}")))
}

impl Running {
    pub(crate) fn start(config: ServerConfig) -> Result<Self, Failure> {
        let open_files_max = millstream_broker::open_files::raise_limit();
        if open_files_max < OPEN_FILES_FEW {
            tracing::warn!("only {open_files_max} files may be open, and each segment and connection is one: raise the limit (ulimit -n)");
        }
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let (io, queries) = (runtime("io", cores, IO_STACK_BYTES)?, runtime("query", cores, STACK_BYTES)?);
        let broker = Broker::open(&config.data_dir, config.settings).map_err(|error| Failure::other(error.to_string()))?;
        let client = Client::new(crate::embedded::Embedded(BrokerHandle(broker.clone())));
        let (stop, stopped) = watch::channel(false);
        let server = io.block_on(Server::listen(broker.clone(), &config.listeners)).map_err(|error| Failure::other(error.to_string()))?;
        let kafka = server.addresses().map_err(|error| Failure::other(error.to_string()))?;
        let listener = io.block_on(TcpListener::bind(config.http));
        let listener = listener
            .map_err(|error| Failure::other(format!("cannot listen on {}: {error}; is another server running there?", config.http)))?;
        let http = listener.local_addr().map_err(|error| Failure::other(error.to_string()))?;
        io.spawn(broker.clone().tend());
        let mut tasks = vec![io.spawn(server.run(stopped.clone()))];
        let session_dir = config.data_dir.join("processor");
        let opened = {
            let client = client.clone();
            queries.block_on(async move { tokio::spawn(async move { Session::open(client, &session_dir).await }).await })
        };
        let session = opened.map_err(|error| Failure::other(error.to_string()))?.map_err(|error| Failure::other(error.to_string()))?;
        let admin = Admin { broker: broker.clone(), client, session: session.clone(), is_loopback: http.ip().is_loopback() };
        let router = millstream_admin::router(admin);
        // Handlers run where queries run: a statement is CPU work.
        tasks.push(queries.spawn(async move {
            let mut stopped = stopped;
            let until = async move {
                let _ = stopped.wait_for(|stop| *stop).await;
            };
            if let Err(error) = axum::serve(Sparing(listener), router).with_graceful_shutdown(until).await {
                tracing::error!("the admin API ended: {error}");
            }
        }));
        write_addresses(&config.data_dir, &kafka, http)?;
        Ok(Running { kafka, http, session, broker, stop, tasks, io, queries })
    }

    /// Runs until a signal or a failed disk, then drains.
    pub(crate) fn until_stopped(self) -> Result<(), Failure> {
        let mut failure = self.broker.failure();
        let failed = self.io.block_on(async {
            tokio::select! {
                () = signalled() => None,
                failed = failure.wait_for(Option::is_some) => failed.ok().and_then(|failure| failure.clone()),
            }
        });
        match failed {
            Some(failure) => {
                // Nothing is drained: what is not acknowledged now is decided by what the disk holds at the next start.
                Err(Failure::other(format!("storage failed: {failure}; fix the disk and start again")))
            }
            None => self.shut_down(),
        }
    }

    pub(crate) fn shut_down(self) -> Result<(), Failure> {
        tracing::info!("stopping");
        let session = self.session.clone();
        let closing = self.queries.block_on(async { tokio::time::timeout(DRAIN_TIMEOUT, session.close()).await });
        if closing.is_err() {
            tracing::warn!("queries did not stop in time; they go on from their checkpoints");
        }
        self.stop.send_replace(true);
        self.io.block_on(async {
            for task in self.tasks {
                let abort = task.abort_handle();
                if tokio::time::timeout(DRAIN_TIMEOUT, task).await.is_err() {
                    abort.abort();
                }
            }
        });
        let closed = self.broker.close().map_err(|error| Failure::other(error.to_string()));
        self.queries.shutdown_timeout(Duration::from_secs(1));
        self.io.shutdown_timeout(Duration::from_secs(1));
        closed
    }
}

async fn signalled() {
    use tokio::signal::unix::{SignalKind, signal};
    let (terminate, interrupt) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    match (terminate, interrupt) {
        (Ok(mut terminate), Ok(mut interrupt)) => {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        }
        _ => {
            tracing::error!("cannot wait for signals; end the process to stop it");
            std::future::pending().await
        }
    }
}

/// `kafka` is the first listener, `listeners` has all of them.
fn write_addresses(data_dir: &Path, kafka: &[SocketAddr], http: SocketAddr) -> Result<(), Failure> {
    let path = data_dir.join("addresses.json");
    let content = {
        let listeners: Vec<String> = kafka.iter().map(SocketAddr::to_string).collect();
        serde_json::json!({"kafka": listeners.first(), "listeners": listeners, "http": http.to_string()}).to_string()
    };
    #[expect(clippy::disallowed_methods, reason = "a convenience for scripts, not the broker's data")]
    std::fs::write(&path, content).map_err(|error| Failure::other(format!("cannot write {}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::check_filter;

    #[test]
    fn a_mistyped_level_is_refused_instead_of_silencing_all() {
        for good in ["info", "WARN", "off", "info,millstream_broker=debug", "warn, millstream_processor=trace"] {
            assert!(check_filter(good).is_ok(), "{good}");
        }
        for wrong in ["warning", "verbose", "millstream_broker", "info,millstream_broker=loud", "info,,debug"] {
            assert!(check_filter(wrong).is_err(), "{wrong}");
        }
    }
}
