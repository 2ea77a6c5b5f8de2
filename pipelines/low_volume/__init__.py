"""Low volume activity: the LVA payments schedule rebuilt, and its blocks followed month by month.

Belongs here: bringing published schedules, the lake and the users' lists to the pure functions.
`schedule` makes a year's schedule from its `reference_years`, the `published_schedules` and the
`schedule_inputs`, and `schedule_files` writes it; `payments` says what is due by when, `monitor`
reads the month from the mart, and `conservation` shows that nothing else is paid. Does not belong
here: any rule (`pricing.low_volume` and its kin).
"""
