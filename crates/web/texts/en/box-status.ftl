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
status-cause-none = Working
status-last-contact = Last contact
status-next-try = Next try
status-clashes = Records that differ
status-clashes-n = { $n ->
    [one] 1 record needs a choice
   *[other] { $n } records need a choice
}
status-call = Call for the doctor
status-nothing = Nothing needs you
status-clock = Clock
clock-none = Not set; records are marked
clock-tablet = Set by a tablet
clock-hub = Set by the hub
clock-network = Set by the network
cause-unreachable = The hub cannot be reached (no network)
cause-name = The hub's name is not found (no network or a wrong address)
cause-timeout = The hub does not answer
cause-certificate = That is not the hub (certificate)
cause-login-page = The network wants a login first
cause-cut = The connection was cut
cause-busy = The hub is busy
cause-revoked = The county has revoked this box
cause-other = Not connected ({ $word })
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
alarm-damaged = The database was damaged and set aside. Call a technician
alarm-disk-full = The disk is full
alarm-read-only = The card takes no writes
alarm-clone = Another box with the same identity
alarm-parked = Something could not be taken and is set aside
alarm-certificate = A certificate ends soon
alarm-other = Alarm ({ $word })
