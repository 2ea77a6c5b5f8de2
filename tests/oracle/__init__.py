"""The oracle: a second, independent pricer, against which the engine is tested.

What belongs here: the record rules and the pricing rules written again from the policy text,
record by record, one function to a rule, in whole pence and exact fractions, with the standard
library alone. Each year's lists are typed from the policy paragraphs, not read from our packs.

What does not: anything imported from `pricing`, `pipelines` or `schemas`, any data frame, any
shortcut taken for speed but to remember an answer that is asked for again. Where the oracle and
the engine disagree, one of them has misread the policy, and reading this folder beside the
paragraph cited should be enough to see which.

"2023/25 ¶40" is paragraph 40 of the guidance on aligned payment and incentive and low volume
activity block payments of the 2023/25 NHS Payment Scheme (amended), 27 March 2024; "2026/27" is the
like guidance of the consultation on that year, "2021/22" that of September 2021. A rule with no
paragraph is the project's own: the policy does not speak of it.
"""
