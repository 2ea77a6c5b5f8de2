"""The oracle: a second, independent pricer for 2024-25, against which the engine is tested.

What belongs here: the record rules and the pricing rules written again from the policy text,
record by record, one function to a rule, in whole pence and exact fractions, with the standard
library alone. The year's lists are typed from the policy paragraphs, not read from our packs.

What does not: anything imported from `pricing`, `pipelines` or `schemas`, any data frame, any
shortcut taken for speed. Where the oracle and the engine disagree, one of them has misread the
policy, and reading this folder beside the paragraph cited should be enough to see which.

"000 ¶40" is paragraph 40 of "NHS provider payment mechanisms: guidance on aligned payment and
incentive and low volume activity (LVA) block payments", 27 March 2024. A rule with no paragraph is
the project's own: the policy does not speak of it.
"""
