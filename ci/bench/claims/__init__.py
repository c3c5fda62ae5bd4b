"""Do claims of the papers behind the baseline networks hold at small scale, on data of ours?"""
