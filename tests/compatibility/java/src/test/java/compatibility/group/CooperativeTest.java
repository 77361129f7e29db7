package compatibility.group;

import static org.junit.jupiter.api.Assertions.assertEquals;

import compatibility.BrokerTest;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Set;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.common.TopicPartition;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A newcomer costs the others only the partitions that it gets: these are revoked once, the rest is never given up. */
class CooperativeTest extends BrokerTest {
    @ParameterizedTest
    @ValueSource(strings = {
        "group.protocol=classic partition.assignment.strategy=org.apache.kafka.clients.consumer.CooperativeStickyAssignor heartbeat.interval.ms=200",
        "group.protocol=consumer group.remote.assignor=uniform",
    })
    void onlyWhatMovesIsRevoked(String line) {
        String topic = topic(4);
        String[] settings = (line + " group.id=" + name("group")).split(" ");
        var first = consumer(settings);
        var second = consumer(settings);
        List<TopicPartition> revoked = new ArrayList<>();
        List<TopicPartition> assigned = new ArrayList<>();
        first.subscribe(List.of(topic), new ConsumerRebalanceListener() {
            @Override
            public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
                revoked.addAll(partitions);
            }

            @Override
            public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
                assigned.addAll(partitions);
            }
        });
        pollUntil(() -> first.assignment().size() == 4, first);
        second.subscribe(List.of(topic));
        pollUntil(() -> first.assignment().size() == 2 && second.assignment().size() == 2, first, second);
        assertEquals(second.assignment(), Set.copyOf(revoked));
        assertEquals(2, revoked.size());
        assertEquals(4, assigned.size());
    }
}
