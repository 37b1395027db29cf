# Are two records of one person?

same-title = Are these two records one person?
same-choose = Find the other record
same-choose-about = When one person has two records, find the other one here. Records are never merged, and a decision can be taken back.
same-list = Records that may be one person
same-list-about = One ID number, or a clinic proposed it, and nobody has decided. Until then allergies are shown as those of one person.
same-list-none = No records wait for a decision
same-list-n = { $n ->
    [one] One pair of records may be one person: compare them
   *[other] { $n } pairs of records may be one person: compare them
}
same-back-one = Back to this record
same-back-other = Open the other record
same-field = Item
same-one = This record
same-other = Other record
same-compare = Comparison
same-equal = equal
same-differs = differs
same-allergies = Allergies
same-said = Earlier decisions and proposals
same-said-proposed = Proposed: one person
same-said-same = Decided: one person
same-said-apart = Decided: not one person
same-now-same = The county decided that they are one person.
same-now-apart = The county decided that they are different people.
same-now-number = Both have one ID number and nobody has decided; allergies are shown as those of one person meanwhile.
same-now-proposed = Somebody proposed that they are one person; the county decides.
same-now-nothing = Nobody has proposed that these records are one person.
same-decide = Decide
same-decide-about = Both records stay. As one person their pages point to each other and allergies are read together. It can be taken back.
same-propose = Propose that they are one person
same-propose-about = It goes to the county with the next contact, which decides. Both records stay.
same-reason-hint = By what you know it, for example: saw the ID card; same parents and address
same-say-same = One person
same-say-apart = Not one person
same-say-proposed = Propose
same-by-decision = The county decided: one person
same-by-number = One ID number, not yet decided
same-by-proposal = Somebody proposed: one person
same-note = Another record
same-allergy = { $agent } (other record: { $name })
same-find = Another record?
