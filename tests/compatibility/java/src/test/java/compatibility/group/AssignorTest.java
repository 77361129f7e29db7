package compatibility.group;

import static org.junit.jupiter.api.Assertions.assertEquals;

import compatibility.BrokerTest;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Two members share the partitions, half each; when one leaves the other has all of them, and nothing is read twice or not at all. */
class AssignorTest extends BrokerTest {
    @ParameterizedTest
    @ValueSource(strings = {
        "group.protocol=classic partition.assignment.strategy=org.apache.kafka.clients.consumer.RangeAssignor",
        "group.protocol=classic partition.assignment.strategy=org.apache.kafka.clients.consumer.RoundRobinAssignor",
        "group.protocol=classic partition.assignment.strategy=org.apache.kafka.clients.consumer.StickyAssignor",
        "group.protocol=classic partition.assignment.strategy=org.apache.kafka.clients.consumer.CooperativeStickyAssignor",
        "group.protocol=consumer",
        "group.protocol=consumer group.remote.assignor=uniform",
        "group.protocol=consumer group.remote.assignor=range",
    })
    void sharedAndLeft(String line) {
        String topic = topic(4);
        List<String> settings = new ArrayList<>(List.of(line.split(" ")));
        settings.add("group.id=" + name("group"));
        if (line.contains("classic")) {
            settings.add("heartbeat.interval.ms=200");
        }
        KafkaConsumer<String, String> first = consumer(settings.toArray(String[]::new));
        KafkaConsumer<String, String> second = consumer(settings.toArray(String[]::new));
        List<String> values = new ArrayList<>();

        first.subscribe(List.of(topic));
        values.addAll(pollUntil(() -> first.assignment().size() == 4, first));
        second.subscribe(List.of(topic));
        values.addAll(pollUntil(() -> first.assignment().size() == 2 && second.assignment().size() == 2, first, second));
        Set<Object> both = new TreeSet<>((a, b) -> a.toString().compareTo(b.toString()));
        both.addAll(first.assignment());
        both.addAll(second.assignment());
        assertEquals(places(topic, 0, 1, 2, 3), both);

        for (int partition = 0; partition < 4; partition++) {
            send(topic, partition, "shared " + partition);
        }
        values.addAll(pollUntil(() -> first.assignment().stream().mapToLong(first::position).sum() == 2
            && second.assignment().stream().mapToLong(second::position).sum() == 2, first, second));
        first.commitSync();
        second.commitSync();
        second.close();
        values.addAll(pollUntil(() -> first.assignment().size() == 4, first));
        for (int partition = 0; partition < 4; partition++) {
            send(topic, partition, "alone " + partition);
        }
        values.addAll(pollUntil(() -> first.assignment().stream().mapToLong(first::position).sum() == 8, first));
        assertEquals(List.of("alone 0", "alone 1", "alone 2", "alone 3", "shared 0", "shared 1", "shared 2", "shared 3"),
            values.stream().sorted().toList());
    }
}
