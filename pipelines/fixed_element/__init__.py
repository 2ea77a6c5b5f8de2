"""The API fixed element: worksheets and reviews of contracts, read from files and the lake.

Belongs here: `contract_files` reads what the parties put together of a contract, `items` what
each item of a worksheet may say, `worksheets` and `reviews` the two halves of a file, and
`contract_activity` what the lake can supply. Does not belong here: any rule
(`pricing.fixed_element`, `pricing.fixed_element_review`).
"""
