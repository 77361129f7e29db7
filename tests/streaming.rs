//! A streaming query over a broker in this process, batch by batch, against what Spark was seen to do.
//!
//! This binary links the SQL engine: what can be proven without it stands elsewhere.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use millstream_broker::{Broker, BrokerHandle, BrokerSettings, Properties};
use millstream_client::{Client, Isolation, NewRecord, OffsetAndMetadata, TopicPartition, TopicReader};
use millstream_processor::{Query, QueryStatus, STACK_BYTES, Session};
use millstream_protocol::exchange::Answer;
use millstream_protocol::{ApiKey, Call, Exchange, Request};
use serde_json::Value;
use tokio::time::timeout;

const EVENTS: &str = "CREATE TABLE events (at TIMESTAMP) USING kafka OPTIONS ('startingOffsets' 'earliest')";
const COUNTS: &str = "CREATE STREAMING TABLE counts AS SELECT window.start AS start, count(*) AS n \
                      FROM STREAM events WATERMARK at DELAY OF INTERVAL 10 SECONDS GROUP BY window(at, '10 seconds')";

async fn start(dir: &std::path::Path) -> (Client, Session) {
    let broker = Broker::open(&dir.join("broker"), BrokerSettings::new(Properties::new()).unwrap()).unwrap();
    let client = Client::new(BrokerHandle(broker));
    let session = Session::open(client.clone(), &dir.join("processor")).await.unwrap();
    (client, session)
}

/// Sends times of one minute as one batch.
async fn send(client: &Client, seconds: &[u32]) {
    let producer = client.producer().linger(Duration::from_millis(50)).build();
    for second in seconds {
        let value = format!(r#"{{"at": "2026-03-01T00:00:{second:02}Z"}}"#);
        drop(producer.send(NewRecord::to("events").partition(0).value(value)).await.unwrap());
    }
    producer.flush().await;
}

/// Waits for a batch and gives its report.
async fn batch(session: &Session, number: i64) -> Value {
    for _ in 0..500 {
        let query = session.query("counts").unwrap();
        assert_eq!(query.status(), QueryStatus::Running);
        if let Some(found) = query.recent_progress().into_iter().find(|progress| progress["batchId"] == number) {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("batch {number} did not come");
}

async fn results(client: &Client) -> Vec<String> {
    results_of(client, "counts").await
}

async fn results_of(client: &Client, topic: &str) -> Vec<String> {
    let mut reader = TopicReader::open(client, topic).await.unwrap();
    let starts = reader.starts().await.unwrap();
    let parts = reader.fetch(&starts, Duration::ZERO, 1 << 20).await.unwrap();
    let mut rows = Vec::new();
    for part in parts {
        rows.extend(part.records(0).unwrap().into_iter().map(|record| String::from_utf8_lossy(&record.value.unwrap()).into_owned()));
    }
    rows
}

fn row(second: u32, count: u32) -> String {
    format!(r#"{{"start":"2026-03-01T00:00:{second:02}.000Z","n":{count}}}"#)
}

/// The worked example of append mode, delay 10 s, windows of 10 s: the watermark moves between batches, a batch without data
/// follows when it has, a row below the watermark counts while its window is open, and one whose window is closed does not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn windows_close_as_sparks_do() {
    let dir = tempfile::tempdir().unwrap();
    let (client, session) = start(dir.path()).await;
    client.admin().create_topic("events", 1, &[]).await.unwrap();
    session.execute(&format!("{EVENTS}; {COUNTS}")).await.unwrap();

    for statement in ["DROP TABLE events", &EVENTS.replace("CREATE", "CREATE OR REPLACE")] {
        let error = session.execute(statement).await.unwrap_err().to_string();
        assert!(error.contains("counts reads table events"), "{error}");
    }
    send(&client, &[1, 15]).await;
    assert_eq!(batch(&session, 0).await["numInputRows"], 2);
    assert_eq!(batch(&session, 1).await["eventTime"]["watermark"], "2026-03-01T00:00:05.000Z");
    assert!(results(&client).await.is_empty());

    send(&client, &[20]).await;
    assert_eq!(batch(&session, 3).await["numInputRows"], 0, "a batch without data");
    assert_eq!(results(&client).await, [row(0, 1)], "an end equal to the watermark is enough");

    send(&client, &[10, 11, 3, 30]).await;
    assert_eq!(batch(&session, 4).await["stateOperators"][0]["numRowsDroppedByWatermark"], 1);
    batch(&session, 5).await;
    assert_eq!(results(&client).await, [row(0, 1), row(10, 3)]);

    // A restart in between changes nothing: watermark, state and offsets come back.
    session.close().await;
    drop(session);
    let session = Session::open(client.clone(), &dir.path().join("processor")).await.unwrap();
    send(&client, &[45]).await;
    batch(&session, 7).await;
    assert_eq!(results(&client).await, [row(0, 1), row(10, 3), row(20, 1)]);
    session.close().await;
    drop(session);

    // A crash after the sink took batch 7 and before its commit: it runs again, and its result is recognised.
    let checkpoint = dir.path().join("processor/checkpoints/636f756e7473");
    #[expect(clippy::disallowed_methods, reason = "the crash is made by hand")]
    std::fs::remove_file(checkpoint.join("commits/7")).unwrap();
    let session = Session::open(client.clone(), &dir.path().join("processor")).await.unwrap();
    assert_eq!(batch(&session, 7).await["sink"]["numOutputRows"], 1, "the batch did run again");
    assert_eq!(results(&client).await, [row(0, 1), row(10, 3), row(20, 1)], "and wrote nothing twice");
    session.close().await;
}

/// A crash between what the sink took and the commit: the batch runs again and is recognised, however results are delivered. Where
/// nothing says any more whether it was written, the query says so and does not guess.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_was_written_is_recognised() {
    for acks in ["all", "1"] {
        let dir = tempfile::tempdir().unwrap();
        let (client, session) = start(dir.path()).await;
        client.admin().create_topic("events", 1, &[]).await.unwrap();
        let counts = COUNTS.replace("counts AS", &format!("counts OPTIONS ('outputMode' 'update', 'acks' '{acks}') AS"));
        session.execute(&format!("{EVENTS}; {counts}")).await.unwrap();
        send(&client, &[1, 2]).await;
        // The batch after it has no data and no rows.
        batch(&session, 0).await;
        session.close().await;
        drop(session);
        let commits = dir.path().join("processor/checkpoints/636f756e7473/commits");
        let cut = || {
            #[expect(clippy::disallowed_methods, reason = "the crash is made by hand")]
            for number in 0..2 {
                let _ = std::fs::remove_file(commits.join(number.to_string()));
                let _ = std::fs::remove_file(commits.join(format!("../offsets/{}", number + 1)));
            }
        };
        cut();
        let session = Session::open(client.clone(), &dir.path().join("processor")).await.unwrap();
        assert_eq!(batch(&session, 0).await["sink"]["numOutputRows"], 1, "acks {acks}: the batch did run again");
        assert_eq!(results(&client).await, [row(0, 2)], "acks {acks}: and wrote nothing twice");
        session.close().await;
        drop(session);
        let groups = client.admin().groups().await.unwrap();
        if acks == "1" {
            assert!(groups.is_empty());
            continue;
        }
        // Every tool sees how far the query has come.
        let group = &groups[0].id;
        assert!(group.starts_with("query-counts-"), "{group}");
        assert_eq!(client.admin().committed_offsets(group, None).await.unwrap().into_values().collect::<Vec<_>>(), [2]);
        client.admin().delete_group(group).await.unwrap();
        cut();
        let session = Session::open(client.clone(), &dir.path().join("processor")).await.unwrap();
        let reason = loop {
            match session.query("counts").unwrap().status() {
                QueryStatus::Failed(reason) => break reason,
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        };
        assert!(reason.contains("whether batch 0 was written to topic counts before is not known any more"), "{reason}");
        session.close().await;
        drop(session);
        // What it advises is done.
        let note = OffsetAndMetadata { offset: 2, metadata: "batch 0".into() };
        client.admin().commit_offsets(group, &[(TopicPartition::new("events", 0), note)]).await.unwrap();
        let session = Session::open(client.clone(), &dir.path().join("processor")).await.unwrap();
        batch(&session, 0).await;
        assert_eq!(results(&client).await, [row(0, 2)]);
        session.close().await;
    }
}

/// Times that are sent at once.
type Seconds = &'static [u32];
/// Windows by the second of their start, and their counts.
type Counts = &'static [(u32, u32)];

fn counts_in(mode: &str) -> String {
    COUNTS.replace("counts AS", &format!("counts OPTIONS ('outputMode' '{mode}') AS"))
}

/// The same input in update mode: each batch writes the groups that it changed, and a closed one goes silently.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn update_mode_writes_what_a_batch_changed() {
    let dir = tempfile::tempdir().unwrap();
    let (client, session) = start(dir.path()).await;
    client.admin().create_topic("events", 1, &[]).await.unwrap();
    session.execute(&format!("{EVENTS}; {}", counts_in("update"))).await.unwrap();
    let mut written = Vec::new();
    let steps: [(Seconds, i64, Counts); 4] = [
        (&[1, 15], 1, &[(0, 1), (10, 1)]),
        (&[20], 3, &[(20, 1)]),
        // 00:03 is late: its window ended when the watermark did.
        (&[10, 11, 3, 30], 5, &[(10, 3), (30, 1)]),
        (&[45], 7, &[(40, 1)]),
    ];
    for (seconds, last_batch, rows) in steps {
        send(&client, seconds).await;
        let report = batch(&session, last_batch).await;
        assert_eq!(report["numInputRows"], 0, "a batch without data follows, and writes nothing");
        written.extend(rows.iter().map(|(second, count)| row(*second, *count)));
        assert_eq!(results(&client).await, written, "after {seconds:?}");
    }
    let operator = &batch(&session, 7).await["stateOperators"][0];
    assert_eq!((&operator["numRowsTotal"], &operator["numRowsRemoved"]), (&2.into(), &1.into()), "00:20 went, 00:30 and 00:40 are open");
    session.close().await;
}

/// The same input in complete mode: everything each time, nothing is late, nothing is forgotten, and no batch runs without
/// data.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn complete_mode_writes_everything_each_time() {
    let dir = tempfile::tempdir().unwrap();
    let (client, session) = start(dir.path()).await;
    client.admin().create_topic("events", 1, &[]).await.unwrap();
    session.execute(&format!("{EVENTS}; {}", counts_in("complete"))).await.unwrap();
    let mut written = Vec::new();
    let steps: [(Seconds, Counts); 4] = [
        (&[1, 15], &[(0, 1), (10, 1)]),
        (&[20], &[(0, 1), (10, 1), (20, 1)]),
        (&[10, 11, 3, 30], &[(0, 2), (10, 3), (20, 1), (30, 1)]),
        (&[45], &[(0, 2), (10, 3), (20, 1), (30, 1), (40, 1)]),
    ];
    for (number, (seconds, rows)) in (0..).zip(steps) {
        send(&client, seconds).await;
        assert_eq!(batch(&session, number).await["numInputRows"], seconds.len());
        written.extend(rows.iter().map(|(second, count)| row(*second, *count)));
        assert_eq!(results(&client).await, written, "after {seconds:?}");
    }
    session.close().await;
}

/// A group without a value has no sum and no extremes, also beside groups that the state knows; and an aggregate without
/// keys has a row even when nothing matched.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn aggregates_of_nothing_are_null() {
    let dir = tempfile::tempdir().unwrap();
    let (client, session) = start(dir.path()).await;
    client.admin().create_topic("visits", 1, &[]).await.unwrap();
    let table = "CREATE TABLE visits (page STRING, ms BIGINT) USING kafka OPTIONS ('startingOffsets' 'earliest')";
    let grouped = "CREATE STREAMING TABLE counts OPTIONS ('outputMode' 'update') AS SELECT page, count(*) AS n, sum(ms) AS s, avg(ms) AS a,
                   min(ms) AS low, max(ms) AS high FROM STREAM visits GROUP BY page";
    let global = "CREATE STREAMING TABLE slow OPTIONS ('outputMode' 'update') AS SELECT count(*) AS n, sum(ms) AS s FROM STREAM visits
                  WHERE ms > 100";
    session.execute(&format!("{table}; {grouped}; {global}")).await.unwrap();
    let mut sent = 0;
    for values in [&[r#"{"page":"a","ms":3}"#][..], &[r#"{"page":"b"}"#, r#"{"page":"a","ms":4}"#, r#"{"page":"c","ms":5}"#]] {
        let producer = client.producer().linger(Duration::from_millis(50)).build();
        for value in values {
            drop(producer.send(NewRecord::to("visits").value(*value)).await.unwrap());
            sent += 1;
        }
        producer.flush().await;
        for _ in 0..500 {
            let seen: i64 =
                session.query("counts").unwrap().recent_progress().iter().filter_map(|report| report["numInputRows"].as_i64()).sum();
            if seen == sent {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    let written = results(&client).await;
    for row in [
        r#"{"page":"a","n":1,"s":3,"a":3.0,"low":3,"high":3}"#,
        r#"{"page":"a","n":2,"s":7,"a":3.5,"low":3,"high":4}"#,
        r#"{"page":"b","n":1}"#,
        r#"{"page":"c","n":1,"s":5,"a":5.0,"low":5,"high":5}"#,
    ] {
        assert!(written.iter().any(|found| found == row), "{row} in {written:?}");
    }
    assert_eq!(results_of(&client, "slow").await.first().map(String::as_str), Some(r#"{"n":0}"#));
    session.close().await;
}

/// A value that is no JSON of the schema: a row of nulls, no row, or the end of the query, as the table says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_that_do_not_fit_are_treated_as_the_table_says() {
    let dir = tempfile::tempdir().unwrap();
    let (client, session) = start(dir.path()).await;
    client.admin().create_topic("events", 1, &[]).await.unwrap();
    let producer = client.producer().build();
    for value in [r#"{"at": "2026-03-01T00:00:01Z"}"#, "no JSON", r#"{"at": true}"#, r#"{"at": "2026-03-01T00:00:02Z"}"#] {
        producer.send(NewRecord::to("events").value(value)).await.unwrap().delivered().await.unwrap();
    }
    let good = [r#"{"offset":0,"at":"2026-03-01T00:00:01.000Z"}"#, r#"{"offset":3,"at":"2026-03-01T00:00:02.000Z"}"#];
    for (mode, expected) in [
        ("PERMISSIVE", vec![good[0], r#"{"offset":1}"#, r#"{"offset":2}"#, good[1]]),
        ("DROPMALFORMED", good.to_vec()),
        ("FAILFAST", Vec::new()),
    ] {
        let table = EVENTS
            .replace("TABLE events", &format!("TABLE {mode}"))
            .replace("'startingOffsets'", &format!("'mode' '{mode}', 'subscribe' 'events', 'startingOffsets'"));
        let query = format!(
            "CREATE STREAMING TABLE counts OPTIONS ('trigger' 'availableNow', 'topic' 'out_{mode}') AS SELECT offset, at FROM STREAM {mode}"
        );
        session.execute(&format!("{table}; {query}")).await.unwrap();
        let query = session.query("counts").unwrap();
        let status = query.ended().await;
        match (mode, status) {
            ("FAILFAST", QueryStatus::Failed(reason)) => assert!(reason.contains("events-0") && reason.contains('1'), "{reason}"),
            ("FAILFAST", other) => panic!("{other:?}"),
            (_, QueryStatus::Failed(reason)) => panic!("{reason}"),
            _ => assert_eq!(query.recent_progress()[0]["sources"][0]["metrics"]["malformedRecords"], "2", "{mode}"),
        }
        assert_eq!(results_of(&client, &format!("out_{mode}")).await, expected, "{mode}");
        session.execute("DROP TABLE counts").await.unwrap();
    }
    session.close().await;
}

/// A checkpoint is of one query: another one under its name is refused, and the checkpoint stays as it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_checkpoint_of_another_query_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (client, session) = start(dir.path()).await;
    client.admin().create_topic("events", 1, &[]).await.unwrap();
    session.execute(&format!("{EVENTS}; {}", counts_in("update"))).await.unwrap();
    send(&client, &[1]).await;
    batch(&session, 0).await;
    session.close().await;
    drop(session);
    let catalog = dir.path().join("processor/catalog.json");
    let change = |from: &str, to: &str| {
        #[expect(clippy::disallowed_methods, reason = "the change is made by hand")]
        let text = std::fs::read_to_string(&catalog).unwrap();
        assert!(text.contains(from));
        #[expect(clippy::disallowed_methods, reason = "the change is made by hand")]
        std::fs::write(&catalog, text.replace(from, to)).unwrap();
    };
    change("count(*)", "max(at)");
    let session = Session::open(client.clone(), &dir.path().join("processor")).await.unwrap();
    let status = session.query("counts").unwrap().ended().await;
    assert!(matches!(&status, QueryStatus::Failed(reason) if reason.contains("another query")), "{status:?}");
    session.close().await;
    drop(session);
    // The right one goes on where it was.
    change("max(at)", "count(*)");
    let session = Session::open(client.clone(), &dir.path().join("processor")).await.unwrap();
    send(&client, &[2]).await;
    // Batch 1 was the one without data.
    batch(&session, 2).await;
    assert_eq!(results(&client).await, [row(0, 1), row(0, 2)]);
    session.close().await;
}

/// What is refused, and that the reason is told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_streamed_is_refused_with_sparks_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let (client, session) = start(dir.path()).await;
    client.admin().create_topic("events", 1, &[]).await.unwrap();
    session.execute(EVENTS).await.unwrap();
    for (statement, sentence) in [
        ("SELECT count(*) FROM STREAM events", None),
        ("CREATE STREAMING TABLE x AS SELECT count(*) FROM STREAM events", Some("Append output mode not supported")),
        (
            "CREATE STREAMING TABLE x OPTIONS ('outputMode' 'complete') AS SELECT at FROM STREAM events",
            Some("Complete output mode not supported"),
        ),
        ("CREATE STREAMING TABLE x AS SELECT at FROM STREAM events ORDER BY at", Some("Sorting is not supported")),
        (
            "CREATE STREAMING TABLE x OPTIONS ('outputMode' 'update') AS SELECT count(DISTINCT at) FROM STREAM events",
            Some("Distinct aggregations"),
        ),
        ("CREATE STREAMING TABLE x AS SELECT at FROM STREAM nowhere", Some("table nowhere does not exist")),
        ("CREATE STREAMING TABLE x AS SELECT at FROM events", Some("Queries without streaming sources")),
        ("CREATE STREAMING TABLE events2 OPTIONS ('topic' 'events') AS SELECT at FROM STREAM events", Some("read what it writes")),
        ("CREATE STREAMING TABLE x AS SELECT now() FROM STREAM events", Some("now() in a streaming query")),
        ("SELEKT 1", Some("does not begin a statement")),
    ] {
        let outcome = session.execute(statement).await;
        match sentence {
            None => assert!(outcome.is_ok(), "{statement}"),
            Some(sentence) => {
                let error = outcome.expect_err(statement).to_string();
                assert!(error.contains(sentence), "{statement}: {error}");
            }
        }
    }
    assert!(session.queries().is_empty());
}

/// How a query ended, which it has to within a time.
async fn ended(query: &Query) -> QueryStatus {
    timeout(Duration::from_secs(120), query.ended()).await.expect("the query ends")
}

/// A broker that can be told to panic when a query reads from it.
struct Panicking {
    broker: BrokerHandle,
    is_broken: Arc<AtomicBool>,
}

impl Exchange for Panicking {
    fn exchange(&self, call: Call) -> Answer {
        let is_fetch = matches!(call.request, Request::Fetch(_));
        assert!(!is_fetch || !self.is_broken.load(Ordering::Relaxed), "out of order");
        self.broker.exchange(call)
    }

    fn version(&self, api: ApiKey) -> Option<i16> {
        self.broker.version(api)
    }
}

/// A panic is the end of a query, not of its session; the query goes on from its checkpoint.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_ends_a_query_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::open(&dir.path().join("broker"), BrokerSettings::new(Properties::new()).unwrap()).unwrap();
    let client = Client::new(BrokerHandle(broker.clone()));
    client.admin().create_topic("events", 1, &[]).await.unwrap();
    let is_broken = Arc::new(AtomicBool::new(false));
    let panicking = Panicking { broker: BrokerHandle(broker), is_broken: is_broken.clone() };
    let session = Session::open(Client::new(panicking), &dir.path().join("processor")).await.unwrap();
    session.execute(&format!("{EVENTS}; {COUNTS}")).await.unwrap();
    send(&client, &[1, 15]).await;
    batch(&session, 1).await;

    is_broken.store(true, Ordering::Relaxed);
    let status = ended(&session.query("counts").unwrap()).await;
    assert_eq!(status, QueryStatus::Failed("the query panicked: out of order".into()));
    let error = session.execute("SELECT count(*) FROM events").await.unwrap_err();
    assert_eq!(error.to_string(), "the query panicked: out of order");
    is_broken.store(false, Ordering::Relaxed);
    session.execute("SELECT count(*) FROM events").await.unwrap();
    session.close().await;
    drop(session);

    let session = Session::open(client.clone(), &dir.path().join("processor")).await.unwrap();
    send(&client, &[20]).await;
    assert_eq!(batch(&session, 2).await["numInputRows"], 1);
    session.close().await;
}

/// A statement that another version wrote keeps nothing from starting but its own table or query. It stays until it is dropped.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_cannot_be_read_is_listed_as_failed() {
    let dir = tempfile::tempdir().unwrap();
    let (client, session) = start(dir.path()).await;
    client.admin().create_topic("events", 1, &[]).await.unwrap();
    session.execute(&format!("{EVENTS}; {COUNTS}")).await.unwrap();
    session.close().await;
    drop(session);
    let path = dir.path().join("processor/catalog.json");
    #[expect(clippy::disallowed_methods, reason = "the test looks at the file")]
    let catalog = || -> Value { serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap() };
    let mut changed = catalog();
    changed["tables"]["future"] = "CREATE TABLE future (at QUBIT) USING kafka".into();
    changed["queries"]["later"] = "CREATE STREAMING VIEW later AS SELECT 1".into();
    #[expect(clippy::disallowed_methods, reason = "the change is made by hand")]
    std::fs::write(&path, changed.to_string()).unwrap();

    let session = Session::open(client.clone(), &dir.path().join("processor")).await.unwrap();
    send(&client, &[1, 15]).await;
    batch(&session, 0).await;
    let status = session.query("later").unwrap().status();
    assert!(matches!(&status, QueryStatus::Failed(reason) if reason.contains("CREATE is followed by")), "{status:?}");
    let errors: Vec<(String, Option<String>)> = session.tables().into_iter().map(|table| (table.name, table.error)).collect();
    let reason = "cannot parse: column type qubit is not known".to_owned();
    assert_eq!(errors, [("events".to_owned(), None), ("future".to_owned(), Some(reason))]);
    for statement in ["SELECT at FROM future", "CREATE STREAMING TABLE x AS SELECT at FROM STREAM future"] {
        let error = session.execute(statement).await.unwrap_err().to_string();
        assert!(error.contains("table future cannot be used: cannot parse: column type qubit"), "{error}");
    }
    session.execute("CREATE TABLE other (a INT)").await.unwrap();
    let kept = catalog();
    assert_eq!((&kept["tables"]["future"], &kept["queries"]["later"]), (&changed["tables"]["future"], &changed["queries"]["later"]));
    session.execute("DROP TABLE future; DROP TABLE later; DROP TABLE other").await.unwrap();
    let kept = catalog();
    assert_eq!((kept["tables"].as_object().unwrap().len(), kept["queries"].as_object().unwrap().len()), (1, 1));
    session.close().await;
}

/// Two queries that are made at once may have one output topic, which none of them finds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_queries_may_make_the_same_topic() {
    let dir = tempfile::tempdir().unwrap();
    let (client, session) = start(dir.path()).await;
    client.admin().create_topic("events", 1, &[]).await.unwrap();
    session.execute(EVENTS).await.unwrap();
    for round in 0..10 {
        let create =
            |name: &str| format!("CREATE STREAMING TABLE {name}{round} OPTIONS ('topic' 'out{round}') AS SELECT at FROM STREAM events");
        let (one, other) = (create("one"), create("other"));
        let (one, other) = tokio::join!(session.execute(&one), session.execute(&other));
        one.unwrap();
        other.unwrap();
    }
    session.close().await;
}

/// A batch that cannot be written is cut off when its query is dropped, and other tables do not wait for that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_without_its_topic_is_dropped_within_seconds() {
    let dir = tempfile::tempdir().unwrap();
    let (client, session) = start(dir.path()).await;
    client.admin().create_topic("events", 1, &[]).await.unwrap();
    session.execute(&format!("{EVENTS}; {}", counts_in("update"))).await.unwrap();
    send(&client, &[1]).await;
    batch(&session, 0).await;
    client.admin().delete_topic("counts").await.unwrap();
    send(&client, &[2]).await;
    tokio::time::sleep(Duration::from_millis(500)).await;

    let dropping = tokio::spawn({
        let session = session.clone();
        async move { session.execute("DROP TABLE counts").await }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let other = session.execute("CREATE TABLE other (a INT); DROP TABLE other");
    timeout(Duration::from_secs(1), other).await.expect("nobody waits for another's query").unwrap();
    assert!(!dropping.is_finished(), "the batch did wait for its topic");
    timeout(Duration::from_secs(15), dropping).await.expect("the batch is cut off").unwrap().unwrap();
    assert!(session.queries().is_empty());
}

/// A backlog of more than a batch takes: all partitions get ahead by the same share, so that the times of one do not make the records of
/// another late.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_partition_of_a_backlog_makes_another_late() {
    const START_MS: i64 = 1_772_323_200_000;
    let dir = tempfile::tempdir().unwrap();
    let (client, session) = start(dir.path()).await;
    client.admin().create_topic("events", 4, &[("retention.ms", "-1")]).await.unwrap();
    let padding = Bytes::from(vec![b'x'; 950_000]);
    let producer = client.producer().build();
    for step in 0..26 {
        for partition in 0..4 {
            let record = NewRecord::to("events").partition(partition).value(padding.clone());
            drop(producer.send(record.timestamp(START_MS + step * 10_000)).await.unwrap());
        }
    }
    producer.flush().await;
    let table = "CREATE TABLE events USING kafka OPTIONS ('startingOffsets' 'earliest')";
    let counts = COUNTS.replace("counts AS", "counts OPTIONS ('trigger' 'availableNow') AS").replace("(at,", "(`timestamp`,");
    let counts = counts.replace("WATERMARK at", "WATERMARK `timestamp`");
    session.execute(&format!("{table}; {counts}")).await.unwrap();
    let query = session.query("counts").unwrap();
    assert_eq!(ended(&query).await, QueryStatus::Stopped);
    let progress = query.recent_progress();
    let sum = |pointer: &str| -> i64 { progress.iter().filter_map(|report| report.pointer(pointer)?.as_i64()).sum() };
    assert!(progress.len() > 3, "one batch would prove nothing");
    assert_eq!((sum("/numInputRows"), sum("/stateOperators/0/numRowsDroppedByWatermark")), (104, 0));
    let windows: Vec<Value> = results(&client).await.iter().map(|row| serde_json::from_str(row).unwrap()).collect();
    assert_eq!(windows.len(), 24, "the watermark closed all but the last two");
    assert!(windows.iter().all(|window| window["n"] == 4), "{windows:?}");
}

/// A query that rests between its runs finds the partitions that came meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_that_came_between_two_runs_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let (client, session) = start(dir.path()).await;
    client.admin().create_topic("events", 1, &[]).await.unwrap();
    send(&client, &[1]).await;
    let query = "CREATE STREAMING TABLE counts OPTIONS ('trigger' 'availableNow') AS SELECT at FROM STREAM events";
    session.execute(&format!("{EVENTS}; {query}")).await.unwrap();
    assert_eq!(ended(&session.query("counts").unwrap()).await, QueryStatus::Stopped);
    drop(session);
    client.admin().set_partitions("events", 2).await.unwrap();
    let record = NewRecord::to("events").partition(1).value(r#"{"at": "2026-03-01T00:00:02Z"}"#);
    client.producer().build().send(record).await.unwrap().delivered().await.unwrap();
    let session = Session::open(client.clone(), &dir.path().join("processor")).await.unwrap();
    assert_eq!(ended(&session.query("counts").unwrap()).await, QueryStatus::Stopped);
    assert_eq!(results(&client).await, [r#"{"at":"2026-03-01T00:00:01.000Z"}"#, r#"{"at":"2026-03-01T00:00:02.000Z"}"#]);
}

/// A row that the topic does not take ends the query, and what was written of the batch before it is aborted at once: readers of committed
/// records would wait for it until the transaction times out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_fails_leaves_no_transaction_open() {
    let dir = tempfile::tempdir().unwrap();
    let (client, session) = start(dir.path()).await;
    client.admin().create_topic("events", 1, &[]).await.unwrap();
    // The first half of a batch goes to one partition and the second to the other.
    client.admin().create_topic("out", 2, &[("max.message.bytes", "300000")]).await.unwrap();
    let producer = client.producer().linger(Duration::from_millis(50)).build();
    for row in 0..20_000 {
        let value = if row == 10_010 { Bytes::from(vec![b'x'; 400_000]) } else { Bytes::from_static(b"small") };
        drop(producer.send(NewRecord::to("events").value(value)).await.unwrap());
    }
    producer.flush().await;
    let table = "CREATE TABLE raw USING kafka OPTIONS ('subscribe' 'events', 'startingOffsets' 'earliest')";
    let query = "CREATE STREAMING TABLE counts OPTIONS ('topic' 'out') AS SELECT value FROM STREAM raw";
    session.execute(&format!("{table}; {query}")).await.unwrap();
    let status = ended(&session.query("counts").unwrap()).await;
    assert!(matches!(status, QueryStatus::Failed(_)), "{status:?}");
    let mut reader = TopicReader::open(&client, "out").await.unwrap();
    let committed = reader.ends().await.unwrap();
    reader.set_isolation(Isolation::ReadUncommitted);
    let all = reader.ends().await.unwrap();
    assert!(all[0] > 0, "some of the batch was written");
    assert_eq!(committed, all, "nothing is open");
}

/// On threads as the server has them, and whatever a statement's depth is: it is planned and run, or refused.
#[test]
fn a_deep_statement_is_run_or_refused() {
    let threads = tokio::runtime::Builder::new_multi_thread().worker_threads(2).thread_stack_size(STACK_BYTES).enable_all().build();
    let threads = threads.unwrap();
    threads.block_on(async { tokio::spawn(deep_statements()).await.unwrap() });
}

async fn deep_statements() {
    let dir = tempfile::tempdir().unwrap();
    let (client, session) = start(dir.path()).await;
    client.admin().create_topic("events", 1, &[]).await.unwrap();
    let any: Vec<String> = (0..1000).map(|number| format!("offset > {number}")).collect();
    let (any, update) = (any.join(" OR "), "counts OPTIONS ('outputMode' 'update') AS SELECT count(*) AS n FROM STREAM events WHERE");
    session.execute(&format!("{EVENTS}; CREATE STREAMING TABLE {update} {any}")).await.unwrap();
    send(&client, &[1, 2, 3]).await;
    batch(&session, 0).await;
    assert_eq!(results(&client).await.first().map(String::as_str), Some(r#"{"n":2}"#));
    for select in [
        format!("SELECT count(*) FROM events WHERE {any}"),
        format!("SELECT 1{}", " + 1".repeat(999)),
        format!("SELECT 'a'{}", " || 'a'".repeat(999)),
        format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(90)),
    ] {
        session.execute(&select).await.unwrap_or_else(|error| panic!("{}…: {error}", &select[..60]));
    }
    let chained: Vec<String> = (1..300).map(|number| format!("c{number} AS (SELECT * FROM c{})", number - 1)).collect();
    let doubled: Vec<String> =
        (1..60).map(|number| format!("c{number} AS (SELECT * FROM c{0} UNION ALL SELECT * FROM c{0})", number - 1)).collect();
    for (statement, sentence) in [
        (format!("WITH c0 AS (SELECT 1), {} SELECT * FROM c59", doubled.join(", ")), "written out wherever they are read"),
        (format!("SELECT {}1{}", "ceil(".repeat(60), ")".repeat(60)), "nested deeper than 12 levels"),
        (format!("SELECT at FROM events WHERE {any} OR {any}"), "operators, more than 2000"),
        (format!("SELECT {}true", "NOT ".repeat(10_000)), "operators, more than 2000"),
        (format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(1000)), "SELECTs, set operations and joins, more than 200"),
        (format!("WITH c0 AS (SELECT 1), {} SELECT * FROM c299", chained.join(", ")), "SELECTs, set operations and joins, more than 200"),
        (format!("SELECT {}1{}", "(".repeat(10_000), ")".repeat(10_000)), "nested deeper than 100 levels"),
        (format!("SELECT {}1{}", "CASE WHEN true THEN ".repeat(90), " END".repeat(90)), "nested deeper than 40 levels"),
        (format!("CREATE TABLE deep (a {}", "ARRAY<".repeat(40_000)), "nested deeper than 64 levels"),
    ] {
        let error = session.execute(&statement).await.unwrap_err().to_string();
        assert!(error.contains(sentence), "{error}");
    }
    session.close().await;
}
