# Makes survival_individual.json: Rscript survival_individual.R > survival_individual.json
# R's own data sets lung and mgus2 (first 300 rows), and the numbers of survival and cmprsk for them.
suppressMessages({library(survival); library(cmprsk); library(jsonlite)})

lung <- lung[!is.na(lung$ph.ecog) & lung$ph.ecog < 3, ]
n <- nrow(lung)
lung$event <- lung$status - 1
lung$weight <- (seq_len(n) %% 7 + 1) / 4
lung$entry <- pmin((seq_len(n) * 37) %% 150, lung$time - 1)
m <- mgus2[1:300, ]
m$time <- ifelse(m$pstat == 0, m$futime, m$ptime)
m$cause <- ifelse(m$pstat == 0, 2 * m$death, 1)
m$third <- as.integer(cut(m$age, c(0, 65, 75, 200)))
m$decade <- m$age / 10
m$male <- as.numeric(m$sex == "M")
at <- c(60, 200, 400, 700)

curve <- function(fit) {
  s <- summary(fit, times = at)
  list(n_risk = s$n.risk, survival = s$surv, se = s$std.err, low = s$lower, high = s$upper,
       hazard = s$cumhaz, hazard_se = s$std.chaz)
}
mean_to <- function(fit, tau) {
  x <- summary(fit, rmean = tau)$table
  c(x[["rmean"]], x[["se(rmean)"]])
}
test <- function(fit) {
  sums <- function(x) if (is.matrix(x)) rowSums(x) else x
  list(observed = sums(fit$obs), expected = sums(fit$exp), variance = fit$var, chi2 = fit$chisq)
}
weighted <- survfit(Surv(time, event) ~ 1, lung, weights = weight)
whole <- survfit(Surv(time, event) ~ 1, lung, weights = round(4 * weight))
late <- survfit(Surv(entry, time, event) ~ 1, lung)
regression <- function(code) {
  fit <- crr(m$time, m$cause, as.matrix(m[, c("male", "decade")]), failcode = code, gtol = 1e-14)
  p <- predict(fit, c(1, 7))
  list(coef = unname(fit$coef), se = sqrt(diag(fit$var)), loglik = fit$loglik, null = fit$loglik.null,
       incidence = p[findInterval(c(60, 120, 240), p[, 1]), 2])
}
incidence <- function(fit) {
  x <- timepoints(fit, c(60, 120, 240))
  list(curves = rownames(x$est), estimate = unname(x$est), variance = unname(x$var), tests = unname(fit$Tests[, 1]))
}
out <- list(
  made_by = paste0("R ", getRversion(), ", survival ", packageVersion("survival"), ", cmprsk ", packageVersion("cmprsk")),
  lung = as.list(lung[, c("time", "event", "sex", "ph.ecog", "weight", "entry")]),
  mgus2 = as.list(m[, c("time", "cause", "male", "third", "decade")]),
  at = at,
  curves = list(weighted = curve(weighted), whole = curve(whole), late = curve(late)),
  means = list(weighted = mean_to(weighted, 500), whole = mean_to(whole, 500), late = mean_to(late, 500)),
  tests = list(
    plain = test(survdiff(Surv(time, event) ~ ph.ecog, lung)),
    rho1 = test(survdiff(Surv(time, event) ~ ph.ecog, lung, rho = 1)),
    rho_half = test(survdiff(Surv(time, event) ~ sex, lung, rho = 0.5)),
    strata = test(survdiff(Surv(time, event) ~ ph.ecog + strata(sex), lung)),
    strata_rho1 = test(survdiff(Surv(time, event) ~ sex + strata(ph.ecog), lung, rho = 1))),
  incidence = list(
    two = incidence(cuminc(m$time, m$cause, m$male)),
    three = incidence(cuminc(m$time, m$cause, m$third)),
    strata = incidence(cuminc(m$time, m$cause, m$third, strata = m$male)),
    rho1 = incidence(cuminc(m$time, m$cause, m$third, rho = 1))),
  regression = list("1" = regression(1), "2" = regression(2)))
cat(toJSON(out, digits = NA, auto_unbox = TRUE, na = "null"), "\n")
