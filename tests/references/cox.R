# Makes cox.json: Rscript cox.R > cox.json (packages survival and jsonlite). Data sets of R's survival package.
library(survival)
tight <- coxph.control(eps = 1e-14, toler.chol = 1e-15, iter.max = 60)
sums <- function(r) { # a residual matrix as two checksums a column
  r <- as.matrix(r)
  rbind(colSums(r^2), colSums(r * (seq_len(nrow(r)) / nrow(r))))
}
lung <- lung[complete.cases(lung[, c("time", "status", "age", "sex", "ph.ecog", "inst")]), ]
lung$status <- lung$status - 1
lung$weight <- 0.5 + (seq_len(nrow(lung)) %% 4) / 2
lung$entry <- pmax(0, round(lung$time * ((seq_len(nrow(lung)) * 7) %% 10) / 10) - 1)
lung$month <- ceiling(lung$time / 30.5)
veteran$cell <- as.integer(veteran$celltype)
heart$transplant <- as.integer(heart$transplant) - 1
columns <- list(
  lung = as.list(lung[, c("time", "month", "status", "age", "sex", "ph.ecog", "inst", "weight", "entry")]),
  veteran = as.list(veteran[, c("time", "status", "trt", "karno", "age", "cell")]),
  heart = as.list(heart[, c("start", "stop", "event", "age", "year", "surgery", "transplant", "id")]))
fits <- list(
  lung_efron = list("lung", quote(coxph(Surv(time, status) ~ age + sex + ph.ecog, lung, control = tight))),
  lung_breslow = list("lung", quote(coxph(Surv(month, status) ~ age + sex + ph.ecog, lung, ties = "breslow", control = tight))),
  lung_months_efron = list("lung", quote(coxph(Surv(month, status) ~ age + sex + ph.ecog, lung, control = tight))),
  lung_exact = list("lung", quote(coxph(Surv(month, status) ~ age + sex + ph.ecog, lung, ties = "exact", control = tight))),
  lung_exact_strata = list("lung", quote(coxph(Surv(month, status) ~ age + ph.ecog + strata(sex), lung, ties = "exact", control = tight))),
  veteran_exact_entry = list("veteran", quote(coxph(Surv(floor(karno / 30), time + 4, status) ~ trt + age, veteran, ties = "exact", control = tight))),
  lung_strata = list("lung", quote(coxph(Surv(month, status) ~ age + ph.ecog + strata(sex), lung, control = tight))),
  lung_weights = list("lung", quote(coxph(Surv(month, status) ~ age + sex, lung, weights = weight, robust = FALSE, control = tight))),
  lung_weights_breslow_robust = list("lung", quote(coxph(Surv(month, status) ~ age + sex, lung, weights = weight, robust = TRUE, ties = "breslow", control = tight))),
  lung_weights_cluster = list("lung", quote(coxph(Surv(month, status) ~ age + sex, lung, weights = weight, cluster = inst, control = tight))),
  lung_entry = list("lung", quote(coxph(Surv(entry, time, status) ~ age + sex, lung, control = tight))),
  lung_entry_strata_cluster = list("lung", quote(coxph(Surv(floor(entry / 61), month, status) ~ age + ph.ecog + strata(sex), lung, cluster = inst, control = tight))),
  veteran_robust = list("veteran", quote(coxph(Surv(time, status) ~ trt + karno + age, veteran, robust = TRUE, control = tight))),
  veteran_strata = list("veteran", quote(coxph(Surv(time, status) ~ trt + karno + strata(cell), veteran, control = tight))),
  heart = list("heart", quote(coxph(Surv(start, stop, event) ~ age + year + surgery + transplant, heart, control = tight))),
  heart_cluster = list("heart", quote(coxph(Surv(start, stop, event) ~ age + surgery + transplant, heart, cluster = id, ties = "breslow", control = tight))))
one <- function(name) {
  call <- fits[[name]][[2]]
  fit <- eval(call)
  class(fit) <- "coxph" # coxph leaves it out of exact fits with entry times
  s <- summary(fit)
  out <- list(data = fits[[name]][[1]], call = paste(deparse(call, width.cutoff = 500), collapse = ""), beta = unname(coef(fit)),
    se = unname(sqrt(diag(vcov(fit)))), loglik = fit$loglik, score = fit$score, lr = unname(s$logtest[1]), wald = unname(s$waldtest[1]),
    concordance = unname(c(fit$concordance["concordance"], fit$concordance["std"])), vcov = unname(vcov(fit)))
  if (!is.null(fit$rscore)) out$robust_score <- fit$rscore
  if (!is.null(fit$naive.var)) out$naive_se <- unname(sqrt(diag(fit$naive.var)))
  if (!grepl('"exact"', out$call)) {
    for (kind in c("martingale", "deviance", "score", "dfbeta"))
      out$residuals[[kind]] <- unname(sums(residuals(fit, kind, weighted = kind == "dfbeta")))
    for (kind in c("schoenfeld", "scaledsch")) {
      r <- as.matrix(residuals(fit, kind))
      out$residuals[[kind]] <- unname(rbind(colSums(r^2), colSums(r)))
    }
    for (g in c("km", "rank", "identity", "log")) out$zph[[g]] <- unname(cox.zph(fit, transform = g)$table[, "chisq"])
    frame <- as.data.frame(lapply(setNames(names(coef(fit)), names(coef(fit))), function(n) c(0.5, 2)))
    if (!is.null(fit$strata) || grepl("strata", out$call)) {
      v <- if (grepl("sex", out$call)) "sex" else "cell"
      frame <- frame[rep(1:2, each = 1), , drop = FALSE]; frame[[v]] <- 2
    }
    for (i in 1:2) {
      curve <- survfit(fit, newdata = frame[i, , drop = FALSE], conf.type = "log-log", se.fit = TRUE)
      at <- unname(quantile(curve$time, c(.2, .5, .8), type = 1))
      found <- summary(curve, times = at)
      out$curve[[i]] <- list(at = unname(unlist(frame[i, names(coef(fit))])), stratum = if (is.null(frame$sex) && is.null(frame$cell) || !grepl("strata", out$call)) "all" else "2",
        times = at, survival = found$surv, se_hazard = found$std.err / found$surv, low = found$lower, high = found$upper)
    }
  }
  out
}
json <- list(software = paste("R", getRversion(), "survival", packageVersion("survival")), data = columns, cases = lapply(setNames(names(fits), names(fits)), one))
cat(jsonlite::toJSON(json, digits = NA, auto_unbox = TRUE, na = "null"), "\n")
