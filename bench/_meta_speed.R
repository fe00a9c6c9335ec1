# metafor's CPU seconds on the data bench/meta_speed.py wrote to the folder named by the first argument.
# One line a work: its name, the seconds, and how they were had where less than the whole was run.
suppressPackageStartupMessages(library(metafor))
folder <- commandArgs(trailingOnly = TRUE)[1]
read <- function(name) read.csv(file.path(folder, paste0(name, ".csv")))
row <- function(...) cat(paste(gsub("[[:space:]]+", " ", c(...)), collapse = "\t"), "\n", sep = "")
cpu <- function(f, n) { t <- system.time(for (i in seq_len(n)) f()); (t[[1]] + t[[2]]) / n }
say <- function(work, f, times = 1, warm = TRUE, scale = 1, note = "") tryCatch({
  set.seed(1)
  if (warm) f()
  row(work, scale * cpu(f, times), note)
}, error = function(e) row(work, "NA", conditionMessage(e)))
row("version", as.character(packageVersion("metafor")), "")

one <- read("one")
say("one REML fit with Hartung-Knapp, k = 13", function() rma(y, v, data = one, test = "knha"), 50)
sets <- split(head(read("sets"), 2000), rep(1:100, each = 20))
say("10,000 REML fits, k = 20", function() for (s in sets) try(rma(s$y, s$v), silent = TRUE), scale = 100,
    note = "100 times 100 fits")
props <- read("proportions")
say("logit GLMM of proportions, k = 30", function() rma.glmm(measure = "PLO", xi = x, ni = n, data = props), 3,
    note = "7 points")
left <- rma(y, v, data = read("left"), test = "knha")
say("leave-one-out, k = 200", function() leave1out(left), warm = FALSE)
moderators <- rma(y, v, mods = ~ a + b, data = read("moderators"), test = "knha")
say("permutation test of two moderators, 1,000", function() permutest(moderators, iter = 100, progbar = FALSE),
    scale = 10, note = "10 times 100 permutations")
few <- rma(y, v, data = read("few"), method = "DL")
say("GOSH, 16,384 subsets (DL)", function() gosh(few, subsets = 1000, progbar = FALSE), scale = 16.384,
    note = "16.384 times 1,000 subsets")
more <- rma(y, v, data = read("more"))
say("GOSH, 100,000 subsets (REML)", function() gosh(more, subsets = 500, progbar = FALSE), scale = 200,
    note = "200 times 500 subsets")
nested <- read("nested")
nested$row <- seq_len(nrow(nested))
say("three-level, 1,000 effects", function()
  rma.mv(y, v, random = ~ 1 | study / row, data = nested, sparse = TRUE), warm = FALSE, note = "sparse")
odds <- read("odds")
say("GLMM of odds ratios, exact conditional, k = 30", function()
  rma.glmm(measure = "OR", ai = ai, n1i = n1i, ci = ci, n2i = n2i, data = odds, model = "CM.EL"), warm = FALSE)
say("REML, k = 3,000", function() rma(y, v, data = read("large"), test = "knha"), warm = FALSE)
