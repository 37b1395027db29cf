# Forms

errors-count = { $n ->
    [one] 1 item needs a change
   *[other] { $n } items need a change
}
