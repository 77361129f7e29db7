package compatibility.group;

/** The two ways of being a member: clients assign the partitions, or the broker does (KIP-848). */
public enum Protocol {
    CLASSIC("group.protocol=classic"),
    CONSUMER("group.protocol=consumer");

    public final String setting;

    Protocol(String setting) {
        this.setting = setting;
    }
}
