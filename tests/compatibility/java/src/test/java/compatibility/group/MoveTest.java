package compatibility.group;

import static org.junit.jupiter.api.Assertions.assertEquals;

import compatibility.BrokerTest;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.TopicPartition;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A group without members moves to the other protocol with the first member that speaks it, and keeps its offsets. */
class MoveTest extends BrokerTest {
    @ParameterizedTest
    @CsvSource({"CLASSIC,CONSUMER", "CONSUMER,CLASSIC"})
    void anEmptyGroupKeepsItsOffsets(Protocol from, Protocol to) {
        String topic = topic(1);
        String group = name("group");
        send(topic, 0, "0", "1", "2");
        try (var consumer = consumer("group.id=" + group, from.setting, "max.poll.records=2")) {
            consumer.subscribe(List.of(topic));
            read(consumer, 2);
            consumer.commitSync();
        }
        var consumer = consumer("group.id=" + group, to.setting);
        consumer.subscribe(List.of(topic));
        assertEquals(List.of("2"), values(read(consumer, 1)));
        consumer.commitSync();
        assertEquals(Map.of(new TopicPartition(topic, 0), 3L), offsets(group));
        assertEquals(GroupType.valueOf(to.name()), get(ADMIN.describeConsumerGroups(List.of(group)).describedGroups().get(group)).type());
    }
}
