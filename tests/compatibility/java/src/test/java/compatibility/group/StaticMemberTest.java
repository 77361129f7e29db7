package compatibility.group;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import compatibility.BrokerTest;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Set;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.FencedInstanceIdException;
import org.apache.kafka.common.errors.UnreleasedInstanceIdException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** A member with a name of its own may go and come back: it gets the same partitions, and the others notice nothing. */
class StaticMemberTest extends BrokerTest {
    @ParameterizedTest
    @EnumSource
    void comesBackToItsPartitions(Protocol protocol) {
        String topic = topic(4);
        String group = name("group");
        var staying = member(protocol, group, "staying");
        List<Collection<TopicPartition>> lost = new ArrayList<>();
        var going = member(protocol, group, "going");
        staying.subscribe(List.of(topic));
        going.subscribe(List.of(topic));
        pollUntil(() -> staying.assignment().size() == 2 && going.assignment().size() == 2, staying, going);
        Set<TopicPartition> ofGoing = going.assignment();
        Set<TopicPartition> ofStaying = staying.assignment();
        staying.subscribe(List.of(topic), new ConsumerRebalanceListener() {
            @Override
            public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
                lost.add(partitions);
            }

            @Override
            public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
            }
        });

        going.close();
        for (int round = 0; round < 20; round++) {
            staying.poll(Duration.ofMillis(50));
        }
        var back = member(protocol, group, "going");
        back.subscribe(List.of(topic));
        pollUntil(() -> !back.assignment().isEmpty(), back, staying);
        assertEquals(ofGoing, back.assignment());
        assertEquals(ofStaying, staying.assignment());
        assertEquals(List.of(), lost);
    }

    /** Of two with one name the newer one is the member. */
    @Test
    void theOlderOneIsFencedInAClassicGroup() {
        String topic = topic(1);
        String group = name("group");
        var older = member(Protocol.CLASSIC, group, "same");
        older.subscribe(List.of(topic));
        pollUntil(() -> older.assignment().size() == 1, older);
        var newer = member(Protocol.CLASSIC, group, "same");
        newer.subscribe(List.of(topic));
        pollUntil(() -> newer.assignment().size() == 1, newer);
        assertThrows(FencedInstanceIdException.class, () -> pollUntil(() -> false, older));
    }

    /** Of two with one name the older one stays the member while it is there. */
    @Test
    void theNewerOneIsRefusedInAConsumerGroup() {
        String topic = topic(1);
        String group = name("group");
        var older = member(Protocol.CONSUMER, group, "same");
        older.subscribe(List.of(topic));
        pollUntil(() -> older.assignment().size() == 1, older);
        var newer = member(Protocol.CONSUMER, group, "same");
        newer.subscribe(List.of(topic));
        assertThrows(UnreleasedInstanceIdException.class, () -> pollUntil(() -> false, newer));
        send(topic, 0, "a");
        assertEquals(List.of("a"), values(read(older, 1)));
        assertTrue(newer.assignment().isEmpty());
    }

    private KafkaConsumer<String, String> member(Protocol protocol, String group, String instance) {
        List<String> settings = new ArrayList<>(List.of("group.id=" + group, protocol.setting, "group.instance.id=" + instance));
        if (protocol == Protocol.CLASSIC) {
            settings.add("heartbeat.interval.ms=200");
        }
        return consumer(settings.toArray(String[]::new));
    }
}
