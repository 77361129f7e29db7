package compatibility.producer;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import compatibility.BrokerTest;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.header.Header;
import org.junit.jupiter.api.Test;

/** Keys, values and headers come back as they were: nothing, empty and anything else are three different things. */
class RecordShapeTest extends BrokerTest {
    @Test
    void nullAndEmptyKeysAndValues() {
        String topic = topic(1);
        String[][] pairs = {{null, null}, {null, ""}, {"", null}, {"", ""}, {"key", null}, {null, "value"}, {"Schlüssel 鍵 🗝", "größer ∑"}};
        try (var producer = producer()) {
            for (String[] pair : pairs) {
                producer.send(new ProducerRecord<>(topic, 0, pair[0], pair[1]));
            }
        }
        var log = log(topic, 0, "read_uncommitted");
        List<List<String>> found = log.stream().map(record -> Arrays.asList(record.key(), record.value())).toList();
        assertEquals(Arrays.stream(pairs).map(Arrays::asList).toList(), found);
    }

    @Test
    void headersKeepTheirOrderAndMayRepeat() {
        String topic = topic(1);
        var record = new ProducerRecord<String, String>(topic, "value");
        record.headers().add("b", "1".getBytes(UTF_8)).add("a", null).add("b", new byte[0]).add("", new byte[] {0, -1}).add("ü", "2".getBytes(UTF_8));
        try (var producer = producer()) {
            get(producer.send(record));
        }
        List<Header> found = new ArrayList<>();
        log(topic, 0, "read_uncommitted").get(0).headers().forEach(found::add);
        assertEquals(List.of("b", "a", "b", "", "ü"), found.stream().map(Header::key).toList());
        assertArrayEquals("1".getBytes(UTF_8), found.get(0).value());
        assertNull(found.get(1).value());
        assertArrayEquals(new byte[0], found.get(2).value());
        assertArrayEquals(new byte[] {0, -1}, found.get(3).value());
    }

    @Test
    void thePartitionOfAProducersChoiceIsKept() {
        String topic = topic(3);
        send(topic, 2, "a", "b");
        assertEquals(List.of(), uncommitted(topic));
        assertEquals(List.of("a", "b"), values(log(topic, 2, "read_uncommitted")));
    }
}
