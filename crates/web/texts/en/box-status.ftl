# Today, link and queue

today-open = Not signed
today-signed = Signed
today-tray = Unclaimed readings
today-drafts = Unsaved drafts
today-chart-missing = Record has not arrived
call-title = { $place } calls the doctor, { $at }
call-answer = I am going

status-try = Try now
status-link = Link to the county
status-queue = Waiting to be sent
status-attention = Needs a person
status-box = This box
status-never = Never
status-hub = Hub
status-not-joined = Not joined yet. Everything is kept on this box.
status-cause = State
status-connected = Connected
status-connecting = Connecting
status-last-contact = Last contact
status-next-try = Next try
status-call = Call for the doctor
status-nothing = Nothing needs you
status-clock = Clock
clock-none = Not set; records are marked
clock-tablet = Set by a tablet
clock-hub = Set by the hub
clock-network = Set by the network
cause-unreachable = The hub cannot be reached (no network)
cause-silent = The hub does not answer
cause-login-page = The network wants a login first
cause-not-this-hub = That is not this county's hub
cause-unknown = The hub does not know this box. Ask the county
cause-revoked = The county has revoked this box
cause-version = The versions are too far apart. Ask a technician for the update
cause-cut = The connection was cut
cause-hub-fault = The hub has a fault or is restarting
cause-own-store = This box could not read or write its store. Call a technician
cause-malformed = What came was malformed and was dropped
queue-lane = Kind
queue-items = Items
queue-bytes = Size
queue-oldest = Oldest
queue-about = Everything that the hub has not acknowledged. Work goes on without a link.
lane-p0 = Emergencies
lane-p1 = Urgent
lane-p2 = Clinical
lane-p3 = Public health and audit
lane-p4 = Traces and attachments
status-storage = Encryption of the disk
storage-encrypted = Encrypted
storage-plain = Not encrypted
storage-unknown = Cannot be seen
status-clash-n = { $n ->
    [one] One resident has two records of one thing: choose which one holds
   *[other] { $n } residents have two records of one thing: choose which one holds
}
status-clash-show = Review
status-clash-do = Two records of one thing differ for these residents. Open each one and choose which holds.
