# Seconds of coxph, without R's start-up: Rscript _survival_speed_cox.R FILE ONE|BOOTSTRAP|EXACT
suppressMessages(library(survival))
words <- commandArgs(trailingOnly = TRUE)
d <- read.csv(words[1])
best <- function(n, what) min(replicate(n, system.time(what())[["elapsed"]]))
x <- as.matrix(d[, grep("^x", names(d)), drop = FALSE])
seconds <- switch(words[2],
  ONE = best(if (nrow(d) > 1e4) 2 else 10, function() coxph(Surv(time, event) ~ x, d)),
  EXACT = best(2, function() coxph(Surv(time, event) ~ x, d, ties = "exact")),
  BOOTSTRAP = 10 * best(1, function() for (i in 1:100) {
    rows <- sample.int(nrow(d), replace = TRUE)
    coxph(Surv(time[rows], event[rows]) ~ x[rows, , drop = FALSE], d)
  }))
cat(format(seconds, digits = 6), "\n")
