"""The four clients behind two verbs, so that one test can be asked of each of them.

    write(broker, topic, messages, ...)   returns when the broker acknowledged all, raises Refused when it did not
    can_send(message)                        whether the client is able to express such a message at all
    read(broker, topic)                   everything in the topic now, by partition and offset, without a consumer group
"""

from clients import aio, confluent, kafka_python, kcat

CLIENTS = [kcat, confluent, kafka_python, aio]
