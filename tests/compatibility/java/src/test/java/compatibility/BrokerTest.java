package compatibility;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.fail;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.RetriableException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.junit.jupiter.api.AfterEach;

/** What every test starts from: the broker under test, names that nothing else uses, clients that are closed at the end. */
public abstract class BrokerTest {
    protected static final String BROKER = address();
    protected static final Admin ADMIN = Admin.create(Map.of("bootstrap.servers", BROKER));

    /** Enough for a slow machine: who waits for so long waits in vain. */
    protected static final Duration PATIENCE = Duration.ofSeconds(30);

    private static final String RUN = Long.toString(System.currentTimeMillis(), 36);
    private static final AtomicInteger NAMES = new AtomicInteger();

    private final List<AutoCloseable> opened = new ArrayList<>();

    private static String address() {
        String address = System.getProperty("broker", "");
        if (address.isEmpty()) {
            throw new IllegalStateException("which broker? give -Dbroker=HOST:PORT");
        }
        return address;
    }

    @AfterEach
    void closeClients() throws Exception {
        for (AutoCloseable client : opened) {
            if (client instanceof KafkaProducer<?, ?> producer) {
                producer.close(Duration.ZERO); // a producer that was fenced or is inside a transaction has nothing to wait for
            } else {
                client.close();
            }
        }
    }

    /** Closes it at the end of the test, whatever becomes of the test. */
    protected <C extends AutoCloseable> C opened(C client) {
        opened.add(client);
        return client;
    }

    /** A name that no other test and no earlier run has used. */
    protected static String name(String what) {
        return what + "-" + RUN + "-" + NAMES.incrementAndGet();
    }

    /** A new topic; settings are written {@code name=value}. */
    protected static String topic(int partitions, String... settings) {
        String topic = name("topic");
        get(ADMIN.createTopics(List.of(new NewTopic(topic, partitions, (short) 1).configs(strings(settings)))).all());
        becomesUsable(topic, partitions);
        return topic;
    }

    /** Waits until each partition answers: with some brokers a topic is known a moment before its partitions are led. */
    protected static void becomesUsable(String topic, int partitions) {
        Map<TopicPartition, OffsetSpec> places = new HashMap<>();
        for (int partition = 0; partition < partitions; partition++) {
            places.put(new TopicPartition(topic, partition), OffsetSpec.latest());
        }
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (true) {
            try {
                get(ADMIN.listOffsets(places).all());
                return;
            } catch (RetriableException notYet) {
                if (System.nanoTime() > deadline) {
                    throw notYet;
                }
            }
        }
    }

    protected KafkaProducer<String, String> producer(String... settings) {
        var all = settings("bootstrap.servers=" + BROKER);
        all.putAll(settings(settings));
        return opened(new KafkaProducer<>(all, new StringSerializer(), new StringSerializer()));
    }

    /** A consumer that starts at the beginning and commits nothing by itself, unless the settings say otherwise. */
    protected KafkaConsumer<String, String> consumer(String... settings) {
        var all = settings("bootstrap.servers=" + BROKER, "auto.offset.reset=earliest", "enable.auto.commit=false");
        all.putAll(settings(settings));
        return opened(new KafkaConsumer<>(all, new StringDeserializer(), new StringDeserializer()));
    }

    private static Map<String, Object> settings(String... settings) {
        return new HashMap<>(strings(settings));
    }

    private static Map<String, String> strings(String... settings) {
        Map<String, String> all = new HashMap<>();
        for (String setting : settings) {
            int sign = setting.indexOf('=');
            all.put(setting.substring(0, sign), setting.substring(sign + 1));
        }
        return all;
    }

    /** Sends values, without a key, to one partition and waits for all of them. */
    protected void send(String topic, int partition, String... values) {
        try (var producer = producer()) {
            for (String value : values) {
                producer.send(new ProducerRecord<>(topic, partition, null, value));
            }
            producer.flush();
        }
    }

    protected static RecordMetadata send(KafkaProducer<String, String> producer, String topic, String value) {
        return get(producer.send(new ProducerRecord<>(topic, 0, null, value)));
    }

    /** Polls until so many records came; more than that are a failure. */
    protected static List<ConsumerRecord<String, String>> read(KafkaConsumer<String, String> consumer, int count) {
        List<ConsumerRecord<String, String>> records = new ArrayList<>();
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (records.size() < count) {
            if (System.nanoTime() > deadline) {
                fail("only " + records.size() + " of " + count + " records came");
            }
            consumer.poll(Duration.ofMillis(100)).forEach(records::add);
        }
        assertEquals(count, records.size());
        return records;
    }

    /** Everything that a partition shows a reader of this isolation level, read to its end. */
    protected List<ConsumerRecord<String, String>> log(String topic, int partition, String isolation) {
        try (var consumer = consumer("isolation.level=" + isolation)) {
            var place = new TopicPartition(topic, partition);
            consumer.assign(List.of(place));
            consumer.seekToBeginning(List.of(place));
            long end = consumer.endOffsets(List.of(place)).get(place);
            List<ConsumerRecord<String, String>> records = new ArrayList<>();
            long deadline = System.nanoTime() + PATIENCE.toNanos();
            while (consumer.position(place) < end) {
                if (System.nanoTime() > deadline) {
                    fail("the reader stands at " + consumer.position(place) + " of " + end);
                }
                consumer.poll(Duration.ofMillis(100)).forEach(records::add);
            }
            return records;
        }
    }

    /** The values of partition 0, as readers of committed records see them. */
    protected List<String> committed(String topic) {
        return values(log(topic, 0, "read_committed"));
    }

    /** The same, for a transaction that just ended: the answer to its end may come before the markers are in the partitions. */
    protected void becomesCommitted(List<String> values, String topic) throws Exception {
        eventually(() -> committed(topic), values::equals);
    }

    /** The values of partition 0 without regard to transactions. */
    protected List<String> uncommitted(String topic) {
        return values(log(topic, 0, "read_uncommitted"));
    }

    protected static List<String> values(Collection<ConsumerRecord<String, String>> records) {
        return records.stream().map(ConsumerRecord::value).toList();
    }

    /** The committed offsets of a group. */
    protected static Map<TopicPartition, Long> offsets(String group) {
        Map<TopicPartition, OffsetAndMetadata> offsets = get(ADMIN.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata());
        return offsets.entrySet().stream().collect(Collectors.toMap(Map.Entry::getKey, entry -> entry.getValue().offset()));
    }

    /** The result, or the exception with which it failed. */
    protected static <T> T get(Future<T> future) {
        try {
            return future.get(PATIENCE.toSeconds(), TimeUnit.SECONDS);
        } catch (ExecutionException failure) {
            if (failure.getCause() instanceof RuntimeException cause) {
                throw cause;
            }
            throw new AssertionError(failure.getCause());
        } catch (TimeoutException | InterruptedException failure) {
            throw new AssertionError("no answer", failure);
        }
    }

    /** The future must fail, and in just this way. */
    protected static <E extends Throwable> E refused(Class<E> kind, Future<?> future) {
        var failure = assertThrows(ExecutionException.class, () -> future.get(PATIENCE.toSeconds(), TimeUnit.SECONDS));
        assertEquals(kind, failure.getCause().getClass(), () -> "wrong kind of failure: " + failure.getCause());
        return assertInstanceOf(kind, failure.getCause());
    }

    /** Asks again and again until the answer is as wanted, and gives it. */
    protected static <T> T eventually(Callable<T> question, Predicate<T> wanted) throws Exception {
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (true) {
            T answer = question.call();
            if (wanted.test(answer)) {
                return answer;
            }
            if (System.nanoTime() > deadline) {
                fail("still " + answer);
            }
            Thread.sleep(50);
        }
    }

    /** Lets the members poll in turn, from this one thread, until it is as wanted. Gives the values that they read meanwhile. */
    @SafeVarargs
    protected static List<String> pollUntil(BooleanSupplier wanted, KafkaConsumer<String, String>... members) {
        List<String> values = new ArrayList<>();
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (!wanted.getAsBoolean()) {
            if (System.nanoTime() > deadline) {
                fail("the members hold " + List.of(members).stream().map(KafkaConsumer::assignment).toList());
            }
            for (var member : members) {
                member.poll(Duration.ofMillis(50)).forEach(record -> values.add(record.value()));
            }
        }
        return values;
    }

    /** Partitions as {@code topic-0} and so on. */
    protected static TreeSet<TopicPartition> places(String topic, int... partitions) {
        TreeSet<TopicPartition> places = new TreeSet<>((a, b) -> a.toString().compareTo(b.toString()));
        for (int partition : partitions) {
            places.add(new TopicPartition(topic, partition));
        }
        return places;
    }

    /** Values by partition, each in order of the log. */
    protected static Map<Integer, List<String>> byPartition(Collection<ConsumerRecord<String, String>> records) {
        Function<ConsumerRecord<String, String>, Integer> partition = ConsumerRecord::partition;
        return records.stream().collect(
            Collectors.groupingBy(partition, TreeMap::new, Collectors.mapping(ConsumerRecord::value, Collectors.toList())));
    }
}
