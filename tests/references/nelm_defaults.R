# Survival at 60 months by class under the default rules, computed by metafor from the values printed in
# tests/data/nelm: which arms the rules leave was written down by hand from their statements.
# Run: Rscript nelm_defaults.R > nelm_defaults.json   (R 4.2, metafor 3.8-1, jsonlite)
suppressMessages({library(metafor); library(jsonlite)})
arms <- list(
  resection = data.frame(
    study = c("boudreaux2014", "chambers2008", "chen1998", "elias2003", "glazer2010", "graffbaker2014", "hibi2007",
              "hpb2013rfa", "mayo2011", "rescryo40", "sarmiento2003", "sinet_psm2013", "watzka2015"),
    arm = c("res", "res", "res", "res", "res", "res", "res", "res_abl", "res", "res_cryo", "res", "res_rfa", "res"),
    n = c(189, 66, 15, 47, 172, 52, 21, 94, 339, 40, 170, 72, 94),
    p = c(.87, .74, .73, .71, .774, .88, .41, .80, .74, .61, .61, .74, .779)),
  transplantation = data.frame(
    study = c("florman2004", "frilling2006", "letreut2013", "mazzaferro2016", "sher2015"),
    arm = rep("lt", 5), n = c(11, 15, 213, 42, 85), p = c(.36, .672, .52, .972, .52)),
  locoregional = data.frame(
    study = c("dong2011", "eriksson", "iat192", "iat192", "iat192", "kose2019", "loewe", "mayo2011", "ruutiainen",
              "ruutiainen"),
    arm = c("tace", "tae", "ctace", "debtace", "tare", "abl", "tae", "iat", "tace", "tae"),
    n = c(123, 41, 122, 26, 44, 129, 23, 414, 44, 23), p = c(.36, .6, .282, .103, .185, .76, .654, .30, .50, .33)),
  conservative = data.frame(
    study = c("chen1998", "mazzaferro2016", "sinet_psm2013"), arm = c("nores", "nolt", "nonsurg"),
    n = c(23, 46, 72), p = c(.29, .509, .74)))
fit <- function(d) {
  d$yi <- qlogis(d$p); d$vi <- 1 / (d$n * d$p * (1 - d$p)); d$row <- seq_len(nrow(d))
  m <- if (anyDuplicated(d$study)) rma.mv(yi, vi, random = ~ 1 | study/row, test = "t", dfs = "contain", data = d)
       else rma(yi, vi, test = "adhoc", data = d)
  q <- predict(m)
  list(arms = paste(d$study, d$arm, sep = "/"), n = sum(d$n), estimate = plogis(as.numeric(m$beta)),
       ci = plogis(c(m$ci.lb, m$ci.ub)), pi = plogis(c(q$pi.lb, q$pi.ub)),
       tau2 = if (inherits(m, "rma.mv")) sum(m$sigma2) else m$tau2)
}
cat(toJSON(lapply(arms, fit), auto_unbox = TRUE, digits = 10, pretty = TRUE), "\n")
