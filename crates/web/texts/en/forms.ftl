# Forms, panels, sign-in

errors-count = { $n ->
    [one] 1 item needs a change
   *[other] { $n } items need a change
}
form-optional = optional
form-back = Back
pick-none = Please choose
draft-saved = Draft saved
draft-failed = The draft could not be saved; keep this page open, trying again
doubt-title = Please confirm
doubt-do = If it is right, confirm it. If not, change it below and send again.
doubt-confirm = Confirm, it is right
undo = Undo
panel-warning = Warning
panel-forbidden = Forbidden
panel-must = Must be done
panel-done = Done
critical-title = Critical value, act now
clash-title = Two records differ
clash-question = { $what }: which one holds? Both are kept.

sign-in-title = Sign in
sign-in-user = Name or staff number
sign-in-password = Password
sign-in-go = Sign in
unlock-title = Screen locked
unlock-who = { $name }: enter your PIN to go on. Drafts are kept.
unlock-pin = PIN
unlock-go = Unlock
unlock-other = Somebody else signs in
