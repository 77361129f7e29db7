package compatibility.producer;

import static org.junit.jupiter.api.Assertions.assertEquals;

import compatibility.BrokerTest;
import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Every codec carries records there and back, also where the topic asks the broker for another one than the producer's. */
class CompressionTest extends BrokerTest {
    @ParameterizedTest
    @ValueSource(strings = {"none", "gzip", "snappy", "lz4", "zstd"})
    void theProducersCodec(String codec) {
        roundTrip(codec, topic(1));
    }

    @ParameterizedTest
    @CsvSource({"none,zstd", "gzip,lz4", "snappy,gzip", "lz4,uncompressed", "zstd,snappy"})
    void theTopicsCodec(String ofProducer, String ofTopic) {
        roundTrip(ofProducer, topic(1, "compression.type=" + ofTopic));
    }

    private void roundTrip(String codec, String topic) {
        List<String> sent = new ArrayList<>();
        try (var producer = producer("compression.type=" + codec, "linger.ms=20")) {
            for (int number = 0; number < 1000; number++) {
                sent.add(number + " is a line that repeats itself, that repeats itself, that repeats itself");
                producer.send(new ProducerRecord<>(topic, null, sent.get(number)));
            }
        }
        assertEquals(sent, uncommitted(topic));
    }
}
